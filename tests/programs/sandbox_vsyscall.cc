// Asks for the time through the page of old system calls, which the kernel emulates at a fault, and prints "time". Ends
// with 3 where there is no such page.

#include <bit>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>

namespace {

sigjmp_buf back;
void on_fault(int) { ::siglongjmp(back, 1); }

}  // namespace

int main() {
  constexpr std::uintptr_t time_at = 0xffffffffff600400;
  if (std::signal(SIGSEGV, on_fault) == SIG_ERR) return 1;
  if (sigsetjmp(back, 1) != 0) return 3;
  const auto time_of_page = std::bit_cast<long (*)(long*)>(time_at);
  if (time_of_page(nullptr) < 1'600'000'000) return 2;
  std::puts("time");
}
