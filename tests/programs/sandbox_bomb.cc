// Takes all it can get of something, or does not end.
//   sandbox_bomb fork|thread|fd|memory|output|files|disk|sleep|spin|stop|daemon|refused|signals
// Each goes on until somebody ends it; fd, thread and files end by themselves when there is no more, with 0.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

int forks() {
  for (;;) {
    const pid_t child = ::fork();
    if (child < 0) ::sched_yield();
  }
}

int threads() {
  std::vector<std::thread> all;
  try {
    for (;;) all.emplace_back(wait_for_ever);
  } catch (const std::exception&) {
    std::printf("%zu threads\n", all.size());
    std::fflush(stdout);
    ::_exit(0);
  }
}

int descriptors() {
  int count = 0;
  while (::dup(0) >= 0) ++count;
  std::printf("%d descriptors\n", count);
  return 0;
}

int memory() {
  for (;;) {
    auto* bytes = static_cast<char*>(std::malloc(1 << 20));
    if (bytes != nullptr) std::memset(bytes, 1, 1 << 20);
  }
}

int output() {
  const std::string line(65536, 'x');
  for (;;)
    if (::write(1, line.data(), line.size()) < 0 || ::write(2, line.data(), line.size()) < 0) return 1;
}

int files() {
  int count = 0;
  for (;; ++count) {
    const int fd = ::open(("/tmp/file-" + std::to_string(count)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) break;
    ::close(fd);
  }
  std::printf("%d files, then %s\n", count, std::strerror(errno));
  return 0;
}

int disk() {
  const std::string block(1 << 20, 'x');
  ::signal(SIGXFSZ, SIG_IGN);
  long long sum = 0;
  for (int i = 0; i < 64; ++i) {
    const int fd = ::open(("/tmp/big-" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) break;
    for (;;) {
      const ssize_t done = ::write(fd, block.data(), block.size());
      if (done <= 0) break;
      sum += done;
    }
    ::close(fd);
  }
  std::printf("%lld bytes\n", sum);
  return 0;
}

int stops() {
  // Whoever is stopped cannot be asked to end; and each stops the next.
  for (int i = 0; i < 4; ++i)
    if (::fork() == 0) break;
  for (;;) ::kill(-1, SIGSTOP), ::raise(SIGSTOP);
}

int daemon() {
  // Its parent ends at once; it goes on in a session of its own, deaf to what can be ignored.
  if (::fork() != 0) return 0;
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
  wait_for_ever();
}

int refused() {
  std::vector<std::thread> all;
  for (int i = 0; i < 8; ++i)
    all.emplace_back([] {
      for (;;) ::syscall(SYS_ptrace, 0, 0, 0, 0);
    });
  wait_for_ever();
}

int signals() {
  const pid_t other = ::fork();
  struct sigaction ignore {};
  ignore.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &ignore, nullptr);
  for (;;) ::kill(other == 0 ? ::getppid() : other, SIGUSR1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 2 ? argv[1] : "";
  if (what == "fork") return forks();
  if (what == "thread") return threads();
  if (what == "fd") return descriptors();
  if (what == "memory") return memory();
  if (what == "output") return output();
  if (what == "files") return files();
  if (what == "disk") return disk();
  if (what == "sleep") wait_for_ever();
  if (what == "spin")
    for (;;) asm volatile("");
  if (what == "stop") return stops();
  if (what == "daemon") return daemon();
  if (what == "refused") return refused();
  if (what == "signals") return signals();
  return 2;
}
