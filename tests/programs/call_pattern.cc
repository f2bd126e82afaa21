// Makes system calls in orders that a test asks for, so that what it usually does and what it does not is known.
//   call_pattern WORD...: one after the other,
//     usual:N        N times three calls in a fixed order
//     other          the same three in another order
//     evil           a call that it does not make otherwise
//     padded:N       the same N times, with harmless calls between
//     random:N       N calls in no order
//     i386, x32      getppid through that ABI
//     uring          an io_uring operation that does nothing
//     threads:N      N threads, eight at a time, that make one call each
//     fork           the rest in a child
//     wait           until standard input ends

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

void call(long number) { (void)::syscall(number); }

void usual() {
  call(SYS_getuid);
  call(SYS_getgid);
  call(SYS_getppid);
}

void other() {
  call(SYS_getppid);
  call(SYS_getgid);
  call(SYS_getuid);
  call(SYS_getppid);
}

void evil() { (void)::syscall(SYS_sched_get_priority_max, 0); }

void random_calls(int count) {
  static constexpr long numbers[] = {SYS_getuid, SYS_getgid,  SYS_getppid, SYS_geteuid,    SYS_getegid,
                                     SYS_gettid, SYS_getpgrp, SYS_getpid,  SYS_sched_yield};
  uint32_t state = 1;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    call(numbers[(state >> 16) % (sizeof numbers / sizeof *numbers)]);
  }
}

void i386() {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(64 /* getppid */) : "memory", "r8", "r9", "r10", "r11");
}

void x32() {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(0x40000000 | SYS_getppid) : "rcx", "r11", "memory");
}

void uring() {
  io_uring_params p{};
  const int fd = static_cast<int>(::syscall(SYS_io_uring_setup, 1, &p));
  if (fd < 0) std::exit(3);
  auto* ring = static_cast<char*>(::mmap(nullptr, p.sq_off.array + p.sq_entries * sizeof(unsigned),
                                         PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING));
  auto* entries = static_cast<io_uring_sqe*>(
      ::mmap(nullptr, sizeof(io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES));
  entries[0] = io_uring_sqe{};  // IORING_OP_NOP
  reinterpret_cast<unsigned*>(ring + p.sq_off.array)[0] = 0;
  __atomic_store_n(reinterpret_cast<unsigned*>(ring + p.sq_off.tail), 1u, __ATOMIC_RELEASE);
  if (::syscall(SYS_io_uring_enter, fd, 1, 0, 0, nullptr, 0) != 1) std::exit(4);
}

void threads(int count) {
  for (int done = 0; done < count; done += 8) {
    std::vector<std::thread> storm;
    for (int i = 0; i < 8; ++i) storm.emplace_back([] { call(SYS_getppid); });
    for (auto& thread : storm) thread.join();
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t colon = word.find(':');
    const std::string what = word.substr(0, colon);
    const int count = colon == std::string::npos ? 1 : std::atoi(word.c_str() + colon + 1);
    if (what == "usual")
      for (int n = 0; n < count; ++n) usual();
    else if (what == "other")
      other();
    else if (what == "evil")
      evil();
    else if (what == "padded")
      for (int n = 0; n < count; ++n) {
        usual();
        evil();
        call(SYS_geteuid);
      }
    else if (what == "random")
      random_calls(count);
    else if (what == "i386")
      i386();
    else if (what == "x32")
      x32();
    else if (what == "uring")
      uring();
    else if (what == "threads")
      threads(count);
    else if (what == "wait") {
      char byte;
      while (::read(0, &byte, 1) > 0) continue;
    } else if (what == "fork") {
      if (const pid_t child = ::fork(); child != 0) {
        ::waitpid(child, nullptr, 0);
        return 0;
      }
    } else
      return 2;
  }
}
