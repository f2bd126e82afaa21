// Makes a known number of calls: in PROCESSES processes, each with THREADS threads, each thread CALLS times getpriority
// with its own process, thread and place as arguments. So each call can be told from every other.
//   sandbox_counted PROCESSES THREADS CALLS

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const long processes = std::atol(argv[1]), threads = std::atol(argv[2]), calls = std::atol(argv[3]);
  for (long p = 0; p < processes; ++p) {
    if (::fork() != 0) continue;
    std::vector<std::thread> all;
    for (long t = 0; t < threads; ++t)
      all.emplace_back([=] {
        // `which` is none there is: the call fails and does nothing else.
        for (long i = 0; i < calls; ++i) ::syscall(SYS_getpriority, 1000 + p * threads + t, i);
      });
    for (auto& thread : all) thread.join();
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) {
  }
}
