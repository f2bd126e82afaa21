// The filter of a machine's process, run as the kernel would, without installing it.

#include "sandbox/microvm/vmm_filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <set>

#include "sandbox/microvm/filter_builder.h"
#include "sandbox/microvm/machine/machine.h"
#include "tests/unit/sandbox/classic_bpf.h"

namespace shrike::sandbox::microvm {
namespace {

using Arguments = std::array<uint64_t, 6>;

uint32_t answer(const std::vector<sock_filter>& filter, int number, const Arguments& arguments = {},
                uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = number;
  data.arch = arch;
  std::copy(arguments.begin(), arguments.end(), data.args);
  return shrike::test::run_filter(filter, data);
}

constexpr uint64_t begin = 0x7f00'1234'0000, end = 0x7f01'0000'0000;

class VmmFilter : public ::testing::Test {
 protected:
  [[nodiscard]] bool allowed(int number, const Arguments& arguments = {}) const {
    return answer(filter, number, arguments) == SECCOMP_RET_ALLOW;
  }
  std::vector<sock_filter> filter = vmm_filter({.kvm_requests = Machine::kvm_requests(false),
                                                .guest_begin = begin,
                                                .guest_end = end,
                                                .channel = 3,
                                                .broker = 4,
                                                .error = 2});
};

TEST_F(VmmFilter, KillsForEveryCallButAFew) {
  const std::set<int> used{
      SYS_ioctl,   SYS_timer_settime, SYS_rt_sigreturn, SYS_clock_gettime,   SYS_getrandom, SYS_mprotect, SYS_sendmsg,
      SYS_recvmsg, SYS_pread64,       SYS_lseek,        SYS_close,           SYS_brk,       SYS_mmap,     SYS_munmap,
      SYS_mremap,  SYS_madvise,       SYS_write,        SYS_restart_syscall, SYS_exit_group};
  for (int number = 0; number < 600; ++number) {
    if (used.contains(number)) continue;
    for (const uint64_t value : std::vector<uint64_t>{0ull, 1ull, 3ull, ~0ull})
      EXPECT_EQ(answer(filter, number, {value, value, value, value, value, value}), uint32_t{SECCOMP_RET_KILL_PROCESS})
          << number;
  }
  EXPECT_FALSE(allowed(-1));
  EXPECT_FALSE(allowed(SYS_exit_group | 0x40000000)) << "x32";
  EXPECT_EQ(answer(filter, SYS_exit_group, {}, AUDIT_ARCH_I386), uint32_t{SECCOMP_RET_KILL_PROCESS});
}

TEST_F(VmmFilter, LetsExactlyTheIoctlsThrough) {
  const auto all = Machine::kvm_requests(true), some = Machine::kvm_requests(false);
  for (const uint32_t request : all)
    EXPECT_EQ(allowed(SYS_ioctl, {7, request}), std::ranges::find(some, request) != some.end()) << std::hex << request;
  for (const uint64_t request :
       std::vector<uint64_t>{uint64_t{0}, uint64_t{0xae01} /* KVM_CREATE_VM */, uint64_t{0x5401} /* TCGETS */,
                             uint64_t{0x5412} /* TIOCSTI */, some[0] | 1ull << 32, ~0ull})
    EXPECT_FALSE(allowed(SYS_ioctl, {7, request})) << std::hex << request;
}

TEST_F(VmmFilter, MemoryNeverBecomesExecutableAndOnlyTheGuestsIsProtected) {
  EXPECT_TRUE(allowed(SYS_mprotect, {begin, 4096, PROT_READ}));
  EXPECT_TRUE(allowed(SYS_mprotect, {end - 4096, 4096, PROT_READ | PROT_WRITE}));
  EXPECT_FALSE(allowed(SYS_mprotect, {begin, 4096, PROT_READ | PROT_EXEC}));
  EXPECT_FALSE(allowed(SYS_mprotect, {begin, 4096, PROT_READ | 1ull << 32}));
  for (const uint64_t address :
       std::vector<uint64_t>{uint64_t{0}, begin - 4096, end, begin + (1ull << 40), begin & 0xffffffff})
    EXPECT_FALSE(allowed(SYS_mprotect, {address, 4096, PROT_READ})) << std::hex << address;
  const uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS;
  EXPECT_TRUE(allowed(SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, flags, ~0ull, 0}));
  EXPECT_FALSE(allowed(SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, flags, ~0ull, 0}));
  EXPECT_FALSE(allowed(SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE, 3, 0}));
  EXPECT_FALSE(allowed(SYS_mmap, {begin, 4096, PROT_READ, flags | MAP_FIXED, ~0ull, 0}));
}

TEST_F(VmmFilter, OnlyItsTwoSocketsAreSpokenOn) {
  for (const int call : {SYS_sendmsg, SYS_recvmsg}) {
    EXPECT_TRUE(allowed(call, {3}) && allowed(call, {4}));
    EXPECT_FALSE(allowed(call, {5}) || allowed(call, {0}) || allowed(call, {3 | 1ull << 32}));
  }
  EXPECT_TRUE(allowed(SYS_write, {2}));
  EXPECT_FALSE(allowed(SYS_write, {1}) || allowed(SYS_write, {3}));
}

TEST(FilterBuilder, ComparesAll64Bits) {
  constexpr uint64_t edge = 0x1'0000'0005;
  FilterBuilder builder(SECCOMP_RET_KILL_PROCESS);
  builder.call(1).at_least(0, edge);
  builder.call(2).below(0, edge);
  builder.call(3).equal(5, edge);
  builder.call(4).within(1, 0xf0000000f);
  const auto filter = builder.build();
  for (const uint64_t value : std::vector<uint64_t>{uint64_t{0}, uint64_t{5}, uint64_t{6}, edge - 1, edge, edge + 1,
                                                    uint64_t{0x2'0000'0000}, ~0ull}) {
    EXPECT_EQ(answer(filter, 1, {value}) == SECCOMP_RET_ALLOW, value >= edge) << std::hex << value;
    EXPECT_EQ(answer(filter, 2, {value}) == SECCOMP_RET_ALLOW, value < edge) << std::hex << value;
    EXPECT_EQ(answer(filter, 3, {0, 0, 0, 0, 0, value}) == SECCOMP_RET_ALLOW, value == edge) << std::hex << value;
    EXPECT_EQ(answer(filter, 4, {0, value}) == SECCOMP_RET_ALLOW, (value & ~0xf0000000full) == 0) << std::hex << value;
  }
}

}  // namespace
}  // namespace shrike::sandbox::microvm
