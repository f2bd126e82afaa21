// Opens a file for reading: in a test of which programs may.
//   open_file FILE        exits 0 when it could
//   open_file + FILE      makes it for writing with openat2, exits 0 when it could
//   open_file - FILE      for each byte of standard input, writes 'y' when it could and 'n' when not

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace {
bool can_open(const char* file) {
  const int fd = ::open(file, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool can_make(const char* file) {
  open_how how{};
  how.flags = O_WRONLY | O_CREAT | O_CLOEXEC;
  how.mode = 0600;
  return ::syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof how) >= 0;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) return can_open(argv[1]) ? 0 : 1;
  if (argc == 3 && std::strcmp(argv[1], "+") == 0) return can_make(argv[2]) ? 0 : 1;
  if (argc != 3 || std::strcmp(argv[1], "-") != 0) return 2;
  char ask = 0;
  while (::read(0, &ask, 1) == 1) {
    const char answer = can_open(argv[2]) ? 'y' : 'n';
    if (::write(1, &answer, 1) != 1) return 1;
  }
  return 0;
}
