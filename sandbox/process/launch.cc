#include "sandbox/process/launch.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "sandbox/process/landlock.h"

namespace shrike::sandbox::process {

/// Between the two processes, which share memory until exec.
struct Launched::Shared {
  const Launch* plan = nullptr;
  std::atomic<const char*> step{nullptr};  // the one that failed
  std::atomic<int> error{0};
  std::atomic<int> listener{-1};
  std::atomic<pid_t> runs_here{1};  // the kernel clears it when it leaves this memory
  char* stack = nullptr;
};

namespace {

constexpr size_t stack_bytes = 64u << 10;
constexpr int last_capability = 63;

bool set_limit(__rlimit_resource which, uint64_t value) {
  const rlimit limit{value, value};
  return ::setrlimit(which, &limit) == 0;
}

bool set_limits(const Launch& plan) {
  const Limits& limits = plan.limits;
  const auto cpu_s = static_cast<uint64_t>(limits.cpu.count()) / 1000 + 2;  // the runner is more exact
  return set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_NOFILE, 1024) && set_limit(RLIMIT_CPU, cpu_s) &&
         set_limit(RLIMIT_FSIZE, limits.file_bytes) &&
         (!plan.limit_data || set_limit(RLIMIT_DATA, limits.memory_bytes)) && set_limit(RLIMIT_MEMLOCK, 64u << 10) &&
         set_limit(RLIMIT_STACK, 8u << 20) && set_limit(RLIMIT_MSGQUEUE, 64u << 10) &&
         set_limit(RLIMIT_SIGPENDING, 1024) && set_limit(RLIMIT_RTPRIO, 0) && set_limit(RLIMIT_NICE, 0) &&
         set_limit(RLIMIT_NPROC, limits.processes + 1);
}

void default_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Its own descriptors from here on: 0, 1, 2, and what goes away with exec.
bool take_descriptors(const Launch& plan) {
  const int fds[] = {plan.input, plan.output, plan.error};
  for (int i = 0; i < 3; ++i)
    if (::dup2(fds[i], i) < 0) return false;
  return ::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

/// Returns only on failure, with the step's name.
const char* become(const Launch& plan, std::atomic<int>& told_listener) {
  default_signals();
  ::setsid();
  ::umask(022);
  if (!take_descriptors(plan)) return "descriptors";
  if (!set_limits(plan)) return "limits";
  if (::chdir(plan.cwd.c_str()) != 0) return "working directory";
  if (!drop_capabilities()) return "capabilities";
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs";
  if (plan.landlock >= 0 && !landlock_restrict(plan.landlock)) return "Landlock";
  const sock_fprog program{static_cast<unsigned short>(plan.filter.size()),
                           const_cast<sock_filter*>(plan.filter.data())};
  // A call that the listener has in hand is not broken off by a signal: fork, for one, never is. Since 5.19.
  constexpr long listens = SECCOMP_FILTER_FLAG_NEW_LISTENER,
                 steadily = listens | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, plan.notify ? steadily : 0, &program);
  if (listener < 0 && plan.notify && errno == EINVAL)
    listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listens, &program);
  if (listener < 0) return "seccomp";
  // From here on each call may wait for the listener; this is the word that there is one.
  if (plan.notify) told_listener = static_cast<int>(listener);
  if (plan.by_descriptor)
    ::syscall(SYS_execveat, plan.program, "", plan.arguments.data(), plan.environment.data(), AT_EMPTY_PATH);
  else
    ::syscall(SYS_execve, plan.path.c_str(), plan.arguments.data(), plan.environment.data());
  return "exec";
}

}  // namespace

bool drop_capabilities() {
  for (int capability = 0; capability <= last_capability; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) return false;
  // Being user 0 means nothing any more, now or after an exec.
  constexpr unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  return ::syscall(SYS_capset, &header, none) == 0;
}

Launched::Launched() : shared_(std::make_unique<Shared>()) {}
Launched::Launched(Launched&&) noexcept = default;
Launched::~Launched() {
  if (shared_ && shared_->stack != nullptr) ::munmap(shared_->stack, stack_bytes);
}

const char* Launched::failed_step() const { return shared_->step.load(); }
int Launched::failed_errno() const { return shared_->error.load(); }

void Launched::wait_exec() const {
  static_assert(sizeof shared_->runs_here == sizeof(int));
  for (;;) {
    const pid_t now = shared_->runs_here.load();
    if (now == 0) return;
    ::syscall(SYS_futex, &shared_->runs_here, FUTEX_WAIT, now, nullptr, nullptr, 0);
  }
}

Result<Launched> Launched::start(const Launch& plan) {
  Launched launched;
  Shared& shared = *launched.shared_;
  shared.plan = &plan;
  void* stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return errno_error("mmap");
  shared.stack = static_cast<char*>(stack);
  ::mprotect(stack, 4096, PROT_NONE);
  const auto child = [](void* argument) -> int {
    auto& ours = *static_cast<Shared*>(argument);
    const char* step = become(*ours.plan, ours.listener);
    ours.error = errno;
    ours.step = step;
    ::syscall(SYS_exit_group, 127);
    return 127;
  };
  // A listener's first word is about exec itself, so there we may not be stopped until that is done.
  const int flags = CLONE_VM | SIGCHLD | CLONE_CHILD_CLEARTID | (plan.notify ? CLONE_FILES : CLONE_VFORK);
  launched.pid_ = ::clone(child, shared.stack + stack_bytes, flags, &shared, nullptr, nullptr, &shared.runs_here);
  if (launched.pid_ < 0) return errno_error("clone");
  while (plan.notify && shared.listener.load() < 0 && shared.step.load() == nullptr) ::sched_yield();
  if (const char* step = shared.step.load(); step != nullptr)
    return errno_error(std::string("the program cannot start: ") + step, shared.error.load());
  // Ours too, by CLONE_FILES; the program loses it by exec, when it gets descriptors of its own.
  if (plan.notify) launched.listener_ = Fd(shared.listener.load());
  return launched;
}

}  // namespace shrike::sandbox::process
