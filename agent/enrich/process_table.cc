// What each event does to the table.

#include "agent/enrich/process_table.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/wire/filter.h"

namespace shrike::enrich {
namespace {

constexpr uint64_t touch_step_ns =
    1'000'000'000;  // order of last use is kept to this, so that most events move nothing

void assign(std::string& to, std::string_view from, size_t limit = path_max_bytes) {
  from = from.substr(0, limit);
  if (to == from) return;
  // A long text that a short one replaces gives its memory back: the account is in capacities.
  if (to.capacity() > 64 && from.size() < to.capacity() / 2) to = std::string();
  to.assign(from);
}

/// Arguments as the kernel has them: NUL between (and possibly after) them.
void split_arguments(std::string_view text, Process& process) {
  process.argv_truncated = text.size() > argv_max_bytes;
  text = text.substr(0, argv_max_bytes);
  if (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  const size_t count = text.empty() ? 0 : static_cast<size_t>(std::count(text.begin(), text.end(), '\0')) + 1;
  std::vector<std::string> argv;
  argv.reserve(std::min(count, argv_max_count));
  for (size_t i = 0; i < count; ++i) {
    const std::string_view argument = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(text.size(), argument.size() + 1));
    if (i < argv_max_count) {
      argv.emplace_back(argument);
    } else {
      argv.back().append(" ").append(argument);
    }
  }
  process.argv = std::move(argv);
}

/// Whether a network socket is descriptor 0, 1 or 2 by this: duplicated onto it, or there from the beginning, because
/// the number was free. Services and sshd use Unix sockets as standard streams; only the network makes a remote shell.
bool puts_network_on_stdio(const Event& event) {
  if (event.socket.family == AF_UNIX || event.socket.family == 0) return false;
  const bool done = event.result >= 0;
  if (event.kind == EventKind::dup) return done && event.arg[1] <= 2;
  if (event.kind == EventKind::accept) return done && event.result <= 2;
  return (done || event.result == -EINPROGRESS) && static_cast<uint32_t>(event.arg[0]) <= 2;
}

}  // namespace

void ProcessTable::apply(Event& event) {
  expire(event.boot_ns);
  Node* node = actor(event);
  pinned_ = node;
  switch (event.kind) {
    case EventKind::fork:
      on_fork(event, node);
      break;
    case EventKind::exec:
      on_exec(event, node);
      break;
    case EventKind::task:
      on_exec(event, node);
      break;
    case EventKind::exit:
      on_exit(event, node);
      break;
    case EventKind::dup:
    case EventKind::connect:
    case EventKind::accept:
      if (puts_network_on_stdio(event)) node->process.has_stdio_socket = true;
      break;
    case EventKind::signal:
    case EventKind::ptrace:
    case EventKind::vm_access:
      find_target(event);
      break;
    default:
      break;
  }
  pinned_ = nullptr;
  event.process = &node->process;
}

ProcessTable::Node* ProcessTable::actor(const Event& event) {
  const Task& task = event.task;
  Node* node = lookup(task.pid, task.start_ns);
  const bool fresh = node == nullptr;
  if (fresh) {
    node = create(task.pid, task.start_ns, event.boot_ns);
    node->process.task = task;
    node->process.name = task.name();
  }
  touch(node, event.boot_ns);
  refresh(node, task, fresh);
  note_pose(node->process, event);
  if (node->parent == nullptr && task.ppid != 0) {
    pinned_ = node;
    Node* parent = lookup(task.ppid, task.parent_start_ns);
    // The start times forbid circles, also in records made by an enemy.
    if (parent != nullptr && parent != node && parent->process.start_ns < task.start_ns) adopt(node, parent);
  }
  if (fresh) charge(node);
  return node;
}

void ProcessTable::refresh(Node* node, const Task& task, bool look_up) {
  Process& process = node->process;
  const Task& old = process.task;
  if (look_up || old.cgroup_id != task.cgroup_id || old.ns_mnt != task.ns_mnt)
    process.container = lookup_.container(task);
  const bool renamed = look_up || old.uid != task.uid || old.gid != task.gid;
  if (renamed) {
    assign(process.user, lookup_.user(task.uid), 255);
    assign(process.group, lookup_.group(task.gid), 255);
  }
  // A thread's own name is not its process's.
  if (task.tid == task.pid && process.name != task.name()) process.name = task.name();
  process.ppid = task.ppid;
  process.task = task;
  if (renamed && !look_up) charge(node);
}

/// Only an exec changes which program runs; prctl(PR_SET_MM) changes what the kernel says of it.
void ProcessTable::note_pose(Process& process, const Event& event) {
  if (event.kind == EventKind::exec || event.kind == EventKind::task || process.poses_since_ns != 0) return;
  if (process.run_inode == 0 || event.task.exe_inode == 0) return;
  if (process.run_inode != event.task.exe_inode || process.run_dev != event.task.exe_dev)
    process.poses_since_ns = event.boot_ns;
}

ProcessTable::Node* ProcessTable::create(uint32_t pid, uint64_t start_ns, uint64_t now_ns) {
  // The number is in use again, so whoever had it is gone and we missed the exit.
  if (Node* old = lookup_pid(pid); old != nullptr && !old->exited && old->process.start_ns < start_ns)
    mark_exited(old, 0, now_ns);
  Node* node = take_node();
  node->process.pid = pid;
  node->process.start_ns = start_ns;
  node->seen_ns = now_ns;
  index_insert(node);
  live_.push_back(node);
  return node;
}

void ProcessTable::touch(Node* node, uint64_t now_ns) {
  if (node->exited || now_ns < node->seen_ns + touch_step_ns) return;
  node->seen_ns = now_ns;
  live_.remove(node);
  live_.push_back(node);
}

void ProcessTable::on_fork(Event& event, Node* parent) {
  if ((event.flags & flag_thread) != 0 || event.result < 0) return;
  const auto pid = static_cast<uint32_t>(event.arg[1]);
  const uint64_t start_ns = event.arg[3];
  if (pid == 0) return;
  Node* child = lookup(pid, start_ns);
  if (child == parent) return;
  if (child == nullptr) {
    child = create(pid, start_ns, event.boot_ns);
    const Process& from = parent->process;
    Process& process = child->process;
    process = from;
    process.pid = pid;
    process.start_ns = start_ns;
    process.ppid = from.pid;
    process.parent = nullptr;
    process.exit_time_ns = 0;
    // The child's leader carries the name of the thread that forked.
    process.name = event.task.name();
    process.task.tid = process.task.pid = pid;
    process.task.vpid = static_cast<uint32_t>(event.arg[4]);
    process.task.ppid = from.pid;
    process.task.start_ns = start_ns;
    process.task.parent_start_ns = from.start_ns;
  }
  // With CLONE_PARENT the kernel names another parent; who made the process matters more to whoever asks for ancestors.
  if (child->parent != parent && parent->process.start_ns <= start_ns && child->first_child == nullptr) {
    orphan(child);
    adopt(child, parent);
  }
  charge(child);
  event.target = &child->process;
}

void ProcessTable::on_exec(const Event& event, Node* node) {
  Process& process = node->process;
  assign(process.exe, event.real_path);
  assign(process.filename, event.path.text);
  assign(process.cwd, event.cwd);
  split_arguments(event.path2.text, process);
  process.argv_truncated = process.argv_truncated || event.path2.truncated;
  process.exec_flags = event.flags;
  process.exe_objects = event_object_sets(event);
  process.run_dev = event.task.exe_dev;
  process.run_inode = event.task.exe_inode;
  process.poses_since_ns = 0;
  process.exe_ctime_ns = event.object.ctime_ns;
  process.exe_mtime_ns = event.object.mtime_ns;
  if (event.kind == EventKind::exec) {
    process.exec_time_ns = event.time_ns;
    process.name = event.task.name();
    // The cgroup of a container is set between fork and exec; at exec it must be right.
    process.container = lookup_.container(event.task);
  }
  charge(node);
}

void ProcessTable::on_exit(const Event& event, Node* node) {
  if ((event.flags & flag_thread) == 0) mark_exited(node, event.time_ns, event.boot_ns);
}

void ProcessTable::mark_exited(Node* node, uint64_t wall_ns, uint64_t now_ns) {
  if (node->exited) return;
  node->process.exit_time_ns = wall_ns != 0 ? wall_ns : 1;
  live_.remove(node);
  node->exited = true;
  node->seen_ns = now_ns;
  exited_.push_back(node);
}

void ProcessTable::expire(uint64_t now_ns) {
  while (Node* node = exited_.front()) {
    if (node->seen_ns + limits_.keep_exited_ns > now_ns) return;
    if (node->first_child == nullptr) {
      remove(node);
    } else {
      exited_.remove(node);
      node->kept = true;
      ancestors_.push_back(node);
    }
  }
}

void ProcessTable::find_target(Event& event) {
  const Node* target = nullptr;
  if (event.kind == EventKind::signal) {
    target = lookup(static_cast<uint32_t>(event.arg[1]), event.arg[4]);
  } else if (event.arg[4] != 0) {  // ptrace, vm_access: the kernel looked the caller's number up
    target = lookup(static_cast<uint32_t>(event.arg[4]), event.arg[5]);
  } else if (event.task.vpid == event.task.pid) {
    // It could not. The argument is a number of the caller's pid namespace; only in the first one is it one we know.
    target = lookup_pid(static_cast<uint32_t>(event.kind == EventKind::ptrace ? event.arg[1] : event.arg[0]));
  }
  if (target != nullptr) event.target = &target->process;
}

}  // namespace shrike::enrich
