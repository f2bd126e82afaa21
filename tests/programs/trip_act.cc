// Does one thing that rules of Falco's are about, under whatever name it was copied to: names are what they look at.
//   NAME ACT ARGUMENT...: ends with 0 when the thing was done, or was refused where the act says that this is meant
//     read PATH                 opens for reading
//     late SECONDS ACT...       that many seconds after its start
//     truncate PATH, write PATH opens for writing; truncate empties the file, write leaves it as it is
//     symlink TARGET NAME, link OLD NEW
//     run PROGRAM ARGUMENT...   in a child that it waits for
//     run_as UID PROGRAM ...    the same as another user
//     packet                    a packet socket
//     redirect                  standard input and outputs become a connection to itself
//     connect ADDRESS PORT      to itself
//     module                    offers the kernel a module that is none: refused
//     attach, traceme           ptrace a child of its own, be traced by its parent
//     drop PATH, memory NAME    copies itself to PATH, or into a memfd, and runs that
//     release_agent FOLDER      a cgroup hierarchy of its own there, whose release_agent it opens for writing
//   Everything else, as grep, sh or nc would be called: does nothing.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

char** environment;

int failed(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  return 1;
}

int opened(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC);
  if (fd < 0) return failed(path);
  ::close(fd);
  return 0;
}

/// Waits for the child's end; its exit code.
int ended(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return failed("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int run(char** command, uid_t uid) {
  const pid_t child = ::fork();
  if (child < 0) return failed("fork");
  if (child == 0) {
    if (uid != 0 && (::setgid(uid) != 0 || ::setuid(uid) != 0)) ::_exit(failed("setuid"));
    ::execve(command[0], command, environment);
    ::_exit(failed(command[0]));
  }
  return ended(child);
}

/// A connection to a listener of this process's own; -1: none.
int connection(const char* ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::inet_pton(AF_INET, ip, &address.sin_addr) != 1 || ::bind(listener, any, size) != 0 ||
      ::listen(listener, 1) != 0 || ::getsockname(listener, any, &size) != 0 || ::connect(fd, any, size) != 0)
    return -1;
  return fd;
}

int redirect() {
  const int fd = connection("127.0.0.1", 0);
  if (fd < 0) return failed("connect");
  for (int standard = 0; standard < 3; ++standard)
    if (::dup2(fd, standard) != standard) return 1;
  return 0;
}

int module_offered() {
  const int fd = ::memfd_create("module", MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, "none", 4) != 4) return failed("memfd");
  return ::syscall(SYS_finit_module, fd, "", 0) == 0 ? 1 : 0;
}

int attach() {
  const pid_t child = ::fork();
  if (child == 0)
    for (;;) ::pause();
  int status = 0;
  const bool done = ::ptrace(PTRACE_ATTACH, child, nullptr, nullptr) == 0 && ::waitpid(child, &status, 0) == child &&
                    ::ptrace(PTRACE_DETACH, child, nullptr, nullptr) == 0;
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return done ? 0 : failed("ptrace");
}

int traceme() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
  return ended(child);
}

/// Its own program into `to`.
bool copied(int to) {
  const int self = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat size {};
  if (self < 0 || ::fstat(self, &size) != 0) return false;
  for (off_t left = size.st_size; left > 0;) {
    const ssize_t n = ::sendfile(to, self, nullptr, static_cast<size_t>(left));
    if (n <= 0) return false;
    left -= n;
  }
  ::close(self);
  return true;
}

int drop(char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd < 0 || !copied(fd)) return failed(path);
  ::close(fd);
  char* command[] = {path, nullptr};
  ::execve(path, command, environment);
  return failed(path);
}

int memory(char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0 || !copied(fd)) return failed(name);
  char* command[] = {name, nullptr};
  ::fexecve(fd, command, environment);
  return failed("fexecve");
}

int release_agent(const std::string& folder) {
  if (::mount("cgroup", folder.c_str(), "cgroup", 0, "none,name=shrike-trip") != 0) {
    // Not every kernel has the old hierarchies any more; what the file is called is all that the rule asks.
    const int fd = ::open((folder + "/release_agent").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd < 0 ? failed("release_agent") : 0;
  }
  const int done = opened((folder + "/release_agent").c_str(), O_WRONLY);
  return ::umount2(folder.c_str(), MNT_DETACH) != 0 ? failed("umount") : done;
}

void wait_since_start(double seconds, const timespec& start) {
  timespec until = start;
  until.tv_sec += static_cast<time_t>(seconds);
  until.tv_nsec += static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9);
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) continue;
}

}  // namespace

int main(int argc, char** argv, char** envp) {
  timespec start{};
  ::clock_gettime(CLOCK_MONOTONIC, &start);
  environment = envp;
  char** words = argv + 1;
  if (argc > 3 && std::strcmp(words[0], "late") == 0) {
    wait_since_start(std::atof(words[1]), start);
    words += 2;
  }
  const auto count = static_cast<int>(argv + argc - words);
  const std::string act = count > 0 ? words[0] : "";
  if (count == 2 && act == "read") return opened(words[1], O_RDONLY);
  if (count == 2 && act == "truncate") return opened(words[1], O_WRONLY | O_TRUNC);
  if (count == 2 && act == "write") return opened(words[1], O_WRONLY);
  if (count == 3 && act == "symlink") return ::symlink(words[1], words[2]) == 0 ? 0 : failed("symlink");
  if (count == 3 && act == "link") return ::link(words[1], words[2]) == 0 ? 0 : failed("link");
  if (count > 1 && act == "run") return run(words + 1, 0);
  if (count > 2 && act == "run_as") return run(words + 2, static_cast<uid_t>(std::atoi(words[1])));
  if (count == 1 && act == "packet")
    return ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)) >= 0 ? 0 : failed("socket");
  if (count == 1 && act == "redirect") return redirect();
  if (count == 3 && act == "connect")
    return connection(words[1], static_cast<uint16_t>(std::atoi(words[2]))) >= 0 ? 0 : failed("connect");
  if (count == 1 && act == "module") return module_offered();
  if (count == 1 && act == "attach") return attach();
  if (count == 1 && act == "traceme") return traceme();
  if (count == 2 && act == "drop") return drop(words[1]);
  if (count == 2 && act == "memory") return memory(words[1]);
  if (count == 2 && act == "release_agent") return release_agent(words[1]);
  return 0;
}
