#pragma once
// Processes and threads as values; what happens to them is in life.cc, signal_*.cc and the handlers.

#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/call.h"
#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/kernel/address_space.h"
#include "sandbox/microvm/kernel/descriptors.h"
#include "sandbox/microvm/kernel/signals.h"
#include "sandbox/microvm/kernel/wait.h"
#include "sandbox/microvm/machine/cpu.h"

namespace shrike::sandbox::microvm {

struct Process;

struct AltStack {
  uint64_t base = 0;
  uint64_t size = 0;
  uint32_t flags = 2;  ///< SS_DISABLE
};

struct Thread {
  uint32_t tid = 0;
  Process* process = nullptr;
  Context context;
  uint64_t mask = 0;                   ///< signals blocked
  std::optional<uint64_t> mask_after;  ///< what sigsuspend and the like put back once a signal was delivered
  SignalQueue pending;
  AltStack alt_stack;
  uint64_t clear_tid = 0;
  uint64_t robust_list = 0;
  std::string comm;
  std::optional<Wait> wait;
  bool futex_woken = false;
  std::optional<Call> call;  ///< the call that is being made
  uint64_t cpu_ns = 0;
  uint64_t slice_left_ns = 0;
  bool gone = false;  ///< ended, to be taken out of the tables
  int death_signal = 0;
};

struct Credentials {
  uint32_t uid = 0, euid = 0, suid = 0, fsuid = 0;
  uint32_t gid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<uint32_t> groups{0};
  uint64_t effective = 0x1ff'ffff'ffff, permitted = 0x1ff'ffff'ffff, inheritable = 0;
  uint64_t bounding = 0x1ff'ffff'ffff, ambient = 0;
  uint32_t secure_bits = 0;
  bool no_new_privileges = false;
};

/// CLONE_FS's share.
struct FolderState {
  Place place;
  uint32_t umask = 022;
};

struct IntervalTimer {
  uint64_t next = 0;  ///< VirtualClock::now(), or cpu time; 0: off
  uint64_t interval = 0;
};

struct PosixTimer {
  int clock = 0;
  int notify = 0;  ///< SIGEV_
  int signal = 0;
  uint32_t tid = 0;
  uint64_t value = 0;
  IntervalTimer when = {};
  int32_t overruns = 0;
};

struct Process {
  uint32_t pid = 0;
  uint32_t parent = 1;      ///< pid; 1: the guest's init, which nobody sees and which takes every orphan
  uint32_t parent_tid = 0;  ///< thread that made it, for PR_SET_PDEATHSIG
  uint32_t group = 0;
  uint32_t session = 0;
  int exit_signal = SIGCHLD;
  bool executed = false;  ///< since fork: setpgid by the parent is refused

  // Each may be shared with other processes, as clone's flags say.
  std::shared_ptr<AddressSpace> space;
  std::shared_ptr<Descriptors> files;
  std::shared_ptr<FolderState> folders;
  std::shared_ptr<SignalActions> actions;

  std::vector<std::unique_ptr<Thread>> threads;
  SignalQueue pending;
  Credentials credentials;
  std::array<struct ::rlimit, RLIM_NLIMITS> limits{};

  bool stopped = false;
  int stop_signal = 0;
  bool stop_told = true;      ///< to wait4 with WUNTRACED
  bool continue_told = true;  ///< WCONTINUED
  bool ending = false;        ///< exit_group or a fatal signal
  bool zombie = false;
  int32_t wait_status = 0;

  bool vfork_parent_waits = false;
  std::string exe;  ///< path in the guest's tree
  std::shared_ptr<Node> exe_node;
  std::string argv;  ///< NUL behind each
  std::string environ;
  IntervalTimer real_timer, virtual_timer, prof_timer;
  std::map<int, PosixTimer> timers;
  int next_timer = 0;
  uint64_t cpu_ns = 0;  ///< of threads that have ended, too
  uint64_t children_cpu_ns = 0;
  uint64_t start_ns = 0;
  uint64_t cpu_warned_s = 0;  ///< RLIMIT_CPU's SIGXCPU was sent at so many seconds
  int death_signal = 0;
  bool dumpable = true;
  bool subreaper = false;
  bool filtered = false;  ///< it has put a seccomp filter on itself
  int nice = 0;
  size_t report_index = SIZE_MAX;  ///< in the report's list
  uint64_t calls = 0;

  [[nodiscard]] Thread& leader() const { return *threads.front(); }
};

}  // namespace shrike::sandbox::microvm
