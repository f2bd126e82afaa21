// Misbehaves: calls the kernel with a path that another thread is writing meanwhile, between two names of one length.
// What an agent that reads the argument once would report is a matter of luck.
//   race_path FIRST SECOND SECONDS: unlink()s until the time is over.

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

// The two race only while both run: on a busy machine one core would have them take turns.
void keep_to_core(int nth) {
  cpu_set_t all, one;
  if (::sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &all) && nth-- == 0) CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

int main(int argc, char** argv) {
  if (argc != 4 || std::strlen(argv[1]) != std::strlen(argv[2])) return 2;
  const std::string first = argv[1], second = argv[2];
  std::string shared = first;
  std::atomic<bool> over = false;
  std::thread writer([&] {
    keep_to_core(0);
    volatile char* text = shared.data();
    while (!over) {
      for (size_t i = 0; i < first.size(); ++i) text[i] = first[i];
      for (size_t i = 0; i < second.size(); ++i) text[i] = second[i];
    }
  });
  keep_to_core(1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[3]));
  while (std::chrono::steady_clock::now() < end) (void)::unlink(shared.c_str());
  over = true;
  writer.join();
}
