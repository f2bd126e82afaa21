#include "sandbox/microvm/vmm_filter.h"

#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sandbox/microvm/filter_builder.h"

namespace shrike::sandbox::microvm {

std::vector<sock_filter> vmm_filter(const VmmFilterPlan& plan) {
  FilterBuilder filter(SECCOMP_RET_KILL_PROCESS);
  for (const uint32_t request : plan.kvm_requests) filter.call(SYS_ioctl).equal(1, request);
  filter.call(SYS_timer_settime);
  filter.call(SYS_rt_sigreturn);
  filter.call(SYS_clock_gettime);
  filter.call(SYS_getrandom);
  // Never executable, and for what KVM remembers of guest memory nowhere else.
  filter.call(SYS_mprotect).within(2, PROT_READ | PROT_WRITE).at_least(0, plan.guest_begin).below(0, plan.guest_end);
  for (const int socket : {plan.channel, plan.broker}) {
    filter.call(SYS_sendmsg).equal(0, static_cast<uint32_t>(socket));
    filter.call(SYS_recvmsg).equal(0, static_cast<uint32_t>(socket));
  }
  filter.call(SYS_pread64);
  filter.call(SYS_lseek);
  filter.call(SYS_close);
  // The allocator's.
  filter.call(SYS_brk);
  filter.call(SYS_mmap).within(2, PROT_READ | PROT_WRITE).equal(3, MAP_PRIVATE | MAP_ANONYMOUS);
  filter.call(SYS_munmap);
  filter.call(SYS_mremap).equal(3, MREMAP_MAYMOVE);
  filter.call(SYS_madvise).equal(2, MADV_DONTNEED);
  filter.call(SYS_write).equal(0, static_cast<uint32_t>(plan.error));
  filter.call(SYS_restart_syscall);
  filter.call(SYS_exit_group);
  return filter.build();
}

}  // namespace shrike::sandbox::microvm
