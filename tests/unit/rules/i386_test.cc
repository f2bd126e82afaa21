// Apart from the other tests: <asm/unistd_32.h> gives the same macros other values.
#include <gtest/gtest.h>

#include "scoring/rules/names.h"

// Last, because GoogleTest brings the other numbers.
#include <asm/unistd_32.h>

namespace shrike::scoring {

TEST(Names, I386NumbersAreTheKernels) {
  const std::vector<std::pair<int, std::string_view>> numbers{{__NR_execve, "execve"},
                                                              {__NR_execveat, "execveat"},
                                                              {__NR_openat, "openat"},
                                                              {__NR_connect, "connect"},
                                                              {__NR_setns, "setns"},
                                                              {__NR_ptrace, "ptrace"},
                                                              {__NR_bpf, "bpf"},
                                                              {__NR_finit_module, "finit_module"},
                                                              {__NR_memfd_create, "memfd_create"},
                                                              {__NR_process_vm_writev, "process_vm_writev"},
                                                              {__NR_unlinkat, "unlinkat"},
                                                              {__NR_renameat2, "renameat2"},
                                                              {__NR_fchmodat, "fchmodat"},
                                                              {__NR_mmap2, "mmap2"},
                                                              {__NR_setuid32, "setuid"},
                                                              {__NR_lchown32, "lchown"},
                                                              {__NR_umount, "umount"},
                                                              {__NR_umount2, "umount2"},
                                                              {__NR_fcntl64, "fcntl"},
                                                              {__NR_setgroups32, "setgroups"},
                                                              {__NR_pkey_mprotect, "pkey_mprotect"},
                                                              {__NR_shmat, "shmat"},
                                                              {__NR_ipc, "ipc"},
                                                              {__NR_userfaultfd, "userfaultfd"},
                                                              {__NR_setresuid32, "setresuid"},
                                                              {__NR_truncate64, "truncate"},
                                                              {__NR_rt_tgsigqueueinfo, "rt_tgsigqueueinfo"}};
  for (const auto& [number, name] : numbers) {
    bool found = false;
    for (size_t k = 1; k < event_kind_count; ++k) {
      Event event;
      event.kind = static_cast<EventKind>(k);
      event.flags = flag_compat32;
      event.syscall = number;
      found = found || event_type(event) == name;
    }
    EXPECT_TRUE(found) << name;
  }
}

}  // namespace shrike::scoring
