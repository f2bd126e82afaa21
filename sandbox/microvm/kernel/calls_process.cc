// Processes: made, given programs, waited for, ended.

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/wait.h>

#include <algorithm>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/pid_file.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t namespace_flags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
constexpr size_t words_most = 65536;
constexpr size_t strings_most = 2u << 20;

// vfork's parent: until the child has another program or is gone.
int64_t after_clone(Request& request, int64_t tid, uint64_t flags) {
  if (tid < 0 || (flags & CLONE_VFORK) == 0) return tid;
  System& system = request.system;
  Wait wait;
  wait.again = [&system, tid]() -> std::optional<int64_t> {
    const Process* child = system.find_process(static_cast<uint32_t>(tid));
    return child != nullptr && child->vfork_parent_waits ? std::nullopt : std::optional(tid);
  };
  wait.killable_only = true;
  return request.wait(std::move(wait));
}

int64_t do_clone(Request& request, const CloneRequest& clone) {
  const uint64_t flags = clone.flags;
  if ((flags & namespace_flags & ~uint64_t{CLONE_NEWTIME}) != 0)
    return request.refuse("clone with a namespace", -EPERM);
  if ((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0) return -EINVAL;
  if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0) return -EINVAL;
  if ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_CLEAR_SIGHAND) != 0) return -EINVAL;
  if ((flags & CLONE_PIDFD) != 0 && (flags & CLONE_THREAD) != 0) return -EINVAL;
  if ((flags & CLONE_INTO_CGROUP) != 0) return request.unsupported("clone into a cgroup", -EINVAL);
  if (clone.exit_signal != 0 && !valid_signal(clone.exit_signal)) return -EINVAL;
  const int64_t tid = request.system.clone(request.thread, clone);
  if (tid > 0 && (flags & CLONE_PIDFD) != 0) {
    const int64_t fd = request.install(make_pid_file(request.system, static_cast<uint32_t>(tid)), true);
    if (fd >= 0) (void)request.memory.put(clone.pidfd, static_cast<int32_t>(fd));
  }
  return after_clone(request, tid, flags);
}

// NULL-terminated pointers to texts. -EFAULT, -E2BIG.
int64_t read_words(Request& request, uint64_t address, std::vector<std::string>& out) {
  size_t bytes = 0;
  for (; address != 0; address += sizeof(uint64_t)) {
    uint64_t pointer = 0;
    if (!request.memory.get(address, pointer)) return -EFAULT;
    if (pointer == 0) break;
    std::string text;
    const int64_t error = request.memory.text(pointer, 128u << 10, text);
    if (error < 0) return error == -ENAMETOOLONG ? -E2BIG : error;
    bytes += text.size() + 1;
    if (out.size() >= words_most || bytes > strings_most) return -E2BIG;
    out.push_back(std::move(text));
  }
  return 0;
}

int64_t do_exec(Request& request, const std::string& path, uint64_t argv_at, uint64_t environment_at) {
  std::vector<std::string> argv, environment;
  if (const int64_t error = read_words(request, argv_at, argv); error < 0) return error;
  request.tell(TextKind::argv, joined_words(argv));
  if (const int64_t error = read_words(request, environment_at, environment); error < 0) return error;
  if (argv.empty()) argv.emplace_back();
  System& system = request.system;
  auto program = system.load(request.process, path, argv, environment);
  if (!program) return -(program.error().code == 0 ? ENOEXEC : program.error().code);
  request.thread.call->flags |= call_no_return;
  system.tell(std::move(*request.thread.call));
  request.thread.call.reset();
  system.become(request.thread, std::move(program).value(), joined_words(argv), joined_words(environment));
  const Process& process = request.process;
  system.tell_event(CallKind::exec, request.thread, 0, 0, 0,
                    {{TextKind::exe, process.exe},
                     {TextKind::argv, process.argv},
                     {TextKind::cwd, system.files.path_of(*process.folders->place.cwd)}});
  return no_return;
}
}  // namespace

int64_t on_fork(Request& request) { return do_clone(request, {.exit_signal = SIGCHLD}); }

int64_t on_vfork(Request& request) {
  return do_clone(request, {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD});
}

int64_t on_clone(Request& request) {
  const auto& [flags, stack, parent_tid, child_tid, tls, none] = request.args;
  const auto low = static_cast<uint32_t>(flags);
  return do_clone(request, {.flags = low & ~uint64_t{CSIGNAL},
                            .exit_signal = static_cast<int>(low & CSIGNAL),
                            .stack = stack,
                            .tls = tls,
                            .parent_tid = parent_tid,
                            .child_tid = child_tid,
                            .pidfd = parent_tid});
}

int64_t on_clone3(Request& request) {
  const uint64_t size = request.args[1];
  struct ::clone_args args {};
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (size > page_bytes) return -E2BIG;
  std::vector<std::byte> bytes(size);
  if (!request.memory.read(request.args[0], bytes)) return -EFAULT;
  std::copy_n(bytes.data(), std::min<size_t>(size, sizeof args), reinterpret_cast<std::byte*>(&args));
  if (size > sizeof args &&
      std::any_of(bytes.begin() + sizeof args, bytes.end(), [](auto b) { return b != std::byte{0}; }))
    return -E2BIG;
  if (args.exit_signal > CSIGNAL || args.set_tid_size != 0 || (args.flags & CSIGNAL) != 0) return -EINVAL;
  if ((args.stack == 0) != (args.stack_size == 0)) return -EINVAL;
  return do_clone(request, {.flags = args.flags,
                            .exit_signal = static_cast<int>(args.exit_signal),
                            .stack = args.stack == 0 ? 0 : args.stack + args.stack_size,
                            .tls = args.tls,
                            .parent_tid = args.parent_tid,
                            .child_tid = args.child_tid,
                            .pidfd = args.pidfd});
}

int64_t on_execve(Request& request) {
  Found found;
  if (const int64_t error = request.find_there(Request::no_folder, 0, true, found); error < 0) return error;
  const std::string path = request.thread.call->texts.front().text;
  return do_exec(request, path, request.args[1], request.args[2]);
}

int64_t on_execveat(Request& request) {
  std::string path;
  const uint64_t flags = request.args[4];
  if ((flags & ~uint64_t{AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) != 0) return -EINVAL;
  if (const int64_t error = request.path(1, path); error < 0) return error;
  if (path.empty()) {
    const FilePtr file = request.file(0);
    if ((flags & AT_EMPTY_PATH) == 0) return -ENOENT;
    if (!file) return -EBADF;
    path = "/proc/self/fd/" + std::to_string(request.number(0));
  } else if (path.front() != '/' && request.number(0) != AT_FDCWD) {
    path = "/proc/self/fd/" + std::to_string(request.number(0)) + "/" + path;
  }
  Found found;
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  if (const int64_t error = request.system.files.resolve(request.place(), nullptr, path, follow, found); error < 0)
    return error;
  if (!found.node) return -ENOENT;
  request.tell_found(found, false);
  return do_exec(request, path, request.args[2], request.args[3]);
}

int64_t on_exit(Request& request) {
  request.system.end_thread(request.thread, (request.number(0) & 0xff) << 8);
  return no_return;
}

int64_t on_exit_group(Request& request) {
  request.system.end_process(request.process, (request.number(0) & 0xff) << 8);
  return no_return;
}

int64_t on_set_tid_address(Request& request) {
  request.thread.clear_tid = request.args[0];
  return request.thread.tid;
}

int64_t on_set_robust_list(Request& request) {
  if (request.args[1] != 24) return -EINVAL;
  request.thread.robust_list = request.args[0];
  return 0;
}

int64_t on_get_robust_list(Request& request) {
  const Thread* thread =
      request.args[0] == 0 ? &request.thread : request.system.find_thread(static_cast<uint32_t>(request.args[0]));
  if (thread == nullptr) return -ESRCH;
  return request.memory.put(request.args[1], thread->robust_list) && request.memory.put(request.args[2], uint64_t{24})
             ? 0
             : -EFAULT;
}

int64_t on_pidfd_open(Request& request) {
  if ((request.args[1] & ~uint64_t{O_NONBLOCK}) != 0 || request.number(0) <= 0) return -EINVAL;
  const auto pid = static_cast<uint32_t>(request.args[0]);
  if (request.system.find_process(pid) == nullptr) return request.system.find_thread(pid) != nullptr ? -EINVAL : -ESRCH;
  return request.install(make_pid_file(request.system, pid), true);
}

}  // namespace shrike::sandbox::microvm
