#pragma once
// One decoded event, as every stage of the agent sees it. Strings are views: they live as long as the
// record they were decoded from, that is until the pipeline is done with the event.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/wire/process.h"

namespace shrike {

/// Values are part of the wire and equal those of bpf/shrike_event.h (checked in agent/probe).
enum class EventKind : uint16_t {
  none = 0,
  fork = 1,
  exec = 2,
  exec_failed = 3,
  exit = 4,
  task = 5,
  open = 16,
  rename = 17,
  unlink = 18,
  link = 19,
  symlink = 20,
  mkdir = 21,
  rmdir = 22,
  chmod = 23,
  chown = 24,
  truncate = 25,
  setxattr = 26,
  mount = 27,
  umount = 28,
  pivot_root = 29,
  chroot = 30,
  socket = 48,
  bind = 49,
  listen = 50,
  accept = 51,
  connect = 52,
  sendto = 53,
  dup = 54,
  tcp_state = 55,
  setid = 80,
  capset = 81,
  setns = 82,
  unshare = 83,
  ptrace = 84,
  vm_access = 85,
  bpf = 86,
  perf_event = 87,
  module_load = 88,
  module_unload = 89,
  kexec = 90,
  memfd = 91,
  map_wx = 92,
  userfaultfd = 93,
  prctl = 94,
  keyctl = 95,
  signal = 96,
  uring_setup = 97,
  uring_op = 98,
  toctou = 112,
  sequence = 113,
  denied = 114,
  // From here on made by the agent itself: no record of the kernel's is of these kinds.
  call = 120,        ///< a sandboxed program's system call that makes no event of another kind; arg: the call's
  detonation = 121,  ///< a sandboxed program has ended; path: the job, path2: who asked for it, detail: the report
  command = 122,     ///< what became of a collector's command; path: its id, path2: its state, detail: CommandNews
};
inline constexpr size_t event_kind_count = 128;
/// Whether records of the kernel's are of this kind; the others the agent makes.
inline constexpr bool from_kernel(EventKind kind) { return kind < EventKind::call; }

/// The kind's name on the wire and in output ("exec_failed"); "none" for values that are no kind.
std::string_view kind_name(EventKind kind);
/// The kind of that name, or nothing.
std::optional<EventKind> kind_named(std::string_view name);

/// Bits of Event::flags, equal to enum shrike_record_flag where a record has them.
enum EventFlag : uint16_t {
  flag_compat32 = 1 << 0,
  flag_x32 = 1 << 1,
  flag_memfd = 1 << 2,
  flag_upper = 1 << 3,
  flag_deleted = 1 << 4,
  flag_kthread = 1 << 5,
  flag_thread = 1 << 6,
  flag_core = 1 << 7,
  flag_uring = 1 << 8,
  flag_created = 1 << 9,
  flag_interp = 1 << 10,
  flag_sandbox = 1 << 11,  ///< in a sandbox: process ids are its own, the container is the job; never in a record
  flag_denied = 1 << 12,   ///< call: a sandbox's policy refused it; never in a record
};

/// A text argument. `truncated`: there was more. `fault`: user memory that could not be read.
struct Text {
  std::string_view text;
  bool truncated = false;
  bool fault = false;
};

/// An inode as the kernel has it.
struct Object {
  uint64_t inode = 0;
  uint64_t ctime_ns = 0;  ///< wall clock
  uint64_t mtime_ns = 0;  ///< wall clock
  uint32_t device = 0;    ///< major << 20 | minor
  uint32_t mode = 0;      ///< with file type bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t links = 0;
  uint32_t fs_magic = 0;
};

/// One socket's two ends. IPv4 addresses are in the first four bytes.
struct Socket {
  std::array<uint8_t, 16> local{};
  std::array<uint8_t, 16> remote{};
  uint16_t family = 0;  ///< AF_INET, AF_INET6, AF_UNIX, ...; 0: the event has none
  uint16_t type = 0;
  uint16_t protocol = 0;
  uint16_t local_port = 0;   ///< host order
  uint16_t remote_port = 0;  ///< host order
  uint16_t state = 0;        ///< tcp_state: the new one
  uint16_t old_state = 0;
};

struct Event {
  EventKind kind = EventKind::none;
  uint16_t flags = 0;    ///< EventFlag bits
  int32_t syscall = -1;  ///< number in the caller's ABI (see flags), -1: not a system call
  uint32_t cpu = 0;
  uint64_t time_ns = 0;           ///< wall clock, ns since 1970
  uint64_t boot_ns = 0;           ///< CLOCK_BOOTTIME, kernel time of the event
  int64_t result = 0;             ///< return value or -errno; exit: wait status
  std::array<uint64_t, 6> arg{};  ///< per kind, see bpf/shrike_event.h
  Task task;                      ///< the acting thread at that moment

  Text path;                      ///< as given (exec: filename; memfd, prctl, module: name)
  Text path2;                     ///< second path as given (exec, task: argv, NUL between the arguments)
  std::string_view full_path;     ///< `path` made absolute and lexically normalised
  std::string_view full_path2;    ///< the same of `path2`
  std::string_view real_path;     ///< the object's path from kernel objects; exec, task: the executable's
  std::string_view cwd;           ///< exec, task
  std::string_view path_at_exit;  ///< toctou: what `path` had become
  std::string_view socket_path;   ///< AF_UNIX
  std::string_view detail;        ///< detonation, command: JSON

  Object object;
  Socket socket;

  /// The acting process (fork: the parent), filled by enrich; never null after it. Valid while the event is.
  const Process* process = nullptr;
  /// fork: the child; signal, ptrace, vm_access: the target. Null when unknown.
  const Process* target = nullptr;
};

}  // namespace shrike
