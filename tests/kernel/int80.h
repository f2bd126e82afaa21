#pragma once
// System calls through the 32-bit entry, from a 64-bit program.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace shrike::test {

inline long int80(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
               : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(result);
}

/// Does this kernel have the 32-bit entry? (Without it, the instruction kills with SIGSEGV; all of Debian have it.)
inline bool has_int80() { return int80(20 /* getpid */) == ::getpid(); }

/// A page that a 32-bit pointer reaches.
class LowPage {
 public:
  LowPage()
      : at_(static_cast<char*>(
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))) {}
  ~LowPage() { ::munmap(at_, 4096); }
  LowPage(const LowPage&) = delete;
  LowPage& operator=(const LowPage&) = delete;
  /// Copies `value` to `offset` and gives its address, as a call's argument.
  template <class T>
  long put(size_t offset, const T& value) {
    std::memcpy(at_ + offset, &value, sizeof value);
    return reinterpret_cast<long>(at_ + offset);
  }

 private:
  char* at_;
};

}  // namespace shrike::test
