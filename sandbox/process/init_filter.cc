#include "sandbox/process/init_filter.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <memory>

namespace shrike::sandbox::process {

namespace {

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};

// Sockets that there are, poll, what children leave, and the end.
constexpr int free_calls[] = {
    SCMP_SYS(poll),          SCMP_SYS(accept4),     SCMP_SYS(recvfrom),     SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),        SCMP_SYS(sendmsg),     SCMP_SYS(read),         SCMP_SYS(close),
    SCMP_SYS(bind),          SCMP_SYS(getsockname), SCMP_SYS(setsockopt),   SCMP_SYS(shutdown),
    SCMP_SYS(wait4),         SCMP_SYS(brk),         SCMP_SYS(munmap),       SCMP_SYS(exit_group),
    SCMP_SYS(clock_gettime), SCMP_SYS(futex),       SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall)};

struct Rule {
  int call;
  scmp_arg_cmp compare[2];
  unsigned count;
};

// A socket to answer a datagram from; the allocator's, never executable.
const Rule bound_calls[] = {
    {SCMP_SYS(socket), {{0, SCMP_CMP_EQ, AF_INET, 0}, {1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM}}, 2},
    {SCMP_SYS(socket), {{0, SCMP_CMP_EQ, AF_INET6, 0}, {1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM}}, 2},
    {SCMP_SYS(mmap),
     {{2, SCMP_CMP_MASKED_EQ, ~uint64_t{PROT_READ | PROT_WRITE}, 0}, {3, SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS, 0}},
     2},
    {SCMP_SYS(mprotect), {{2, SCMP_CMP_MASKED_EQ, ~uint64_t{PROT_READ | PROT_WRITE}, 0}, {}}, 1},
    {SCMP_SYS(mremap), {{3, SCMP_CMP_EQ, MREMAP_MAYMOVE, 0}, {}}, 1},
    {SCMP_SYS(madvise), {{2, SCMP_CMP_EQ, MADV_DONTNEED, 0}, {}}, 1},
};

Error failed(const char* what, int code) { return errno_error(std::string("the init's filter: ") + what, -code); }

}  // namespace

Result<void> confine_init() {
  const std::unique_ptr<void, Release> filter(::seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (!filter) return Error{"the init's filter: no memory"};
  if (const int done = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); done != 0)
    return failed("other ABIs", done);
  for (const int call : free_calls)
    if (const int done = ::seccomp_rule_add_exact(filter.get(), SCMP_ACT_ALLOW, call, 0); done != 0)
      return failed("a call", done);
  for (const Rule& rule : bound_calls)
    if (const int done =
            ::seccomp_rule_add_exact_array(filter.get(), SCMP_ACT_ALLOW, rule.call, rule.count, rule.compare);
        done != 0)
      return failed("a call with values", done);
  if (const int done = ::seccomp_load(filter.get()); done != 0) return failed("the kernel", done);
  return {};
}

}  // namespace shrike::sandbox::process
