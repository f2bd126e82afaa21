// Misbehaves: opens a path that another thread is writing meanwhile, between the names of two files that it has made.
// Then says which it got: getpriority(2000, 0 for the first, 1 for the second, 2 for none), which fails.
//   flip_open FIRST SECOND COUNT: names of one length; ends after COUNT opens.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

static void make(const char* path, char content) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::write(fd, &content, 1) != 1) std::exit(3);
  ::close(fd);
}

int main(int argc, char** argv) {
  if (argc != 4 || std::strlen(argv[1]) != std::strlen(argv[2])) return 2;
  const std::string first = argv[1], second = argv[2];
  make(argv[1], 0);
  make(argv[2], 1);
  std::string shared = first;
  std::atomic<bool> over = false;
  std::thread writer([&] {
    volatile char* text = shared.data();
    while (!over) {
      for (size_t i = 0; i < first.size(); ++i) text[i] = first[i];
      for (size_t i = 0; i < second.size(); ++i) text[i] = second[i];
    }
  });
  for (long left = std::atol(argv[3]); left > 0; --left) {
    char which = 2;
    const int fd = ::open(shared.c_str(), O_RDONLY);
    if (fd >= 0 && ::read(fd, &which, 1) != 1) return 4;
    if (fd >= 0) ::close(fd);
    ::syscall(SYS_getpriority, 2000, static_cast<long>(which));
    std::this_thread::yield();
  }
  over = true;
  writer.join();
}
