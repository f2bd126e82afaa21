// Processes and threads begin, get other programs, and end.

#include <linux/sched.h>
#include <sys/wait.h>

#include <algorithm>

#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint32_t pid_most = 32768;
constexpr size_t robust_most = 2048;
constexpr uint32_t futex_owner_died = 0x40000000, futex_waiters = 0x80000000, futex_tid = 0x3fffffff;
}  // namespace

Process* System::find_process(uint32_t pid) {
  const auto found = table.find(pid);
  return found == table.end() ? nullptr : found->second.get();
}

Thread* System::find_thread(uint32_t tid) {
  const auto found = threads.find(tid);
  return found == threads.end() ? nullptr : found->second;
}

uint32_t System::new_pid() {
  const auto used = [&](uint32_t pid) {
    if (table.contains(pid) || threads.contains(pid)) return true;
    return std::any_of(table.begin(), table.end(),
                       [&](const auto& entry) { return entry.second->group == pid || entry.second->session == pid; });
  };
  do {
    last_pid_ = last_pid_ + 1 >= pid_most ? 300 : last_pid_ + 1;
  } while (used(last_pid_));
  return last_pid_;
}

std::unique_ptr<Thread> System::make_thread(Process& process) {
  auto thread = std::make_unique<Thread>();
  thread->process = &process;
  return thread;
}

// The process's part of a clone: what is shared and what is copied.
static bool copy_process(const Process& parent, Process& child, uint64_t flags) {
  child.space = (flags & CLONE_VM) != 0 ? parent.space : std::shared_ptr<AddressSpace>(parent.space->fork());
  if (!child.space) return false;
  child.files = (flags & CLONE_FILES) != 0 ? parent.files : std::make_shared<Descriptors>(*parent.files);
  child.folders = (flags & CLONE_FS) != 0 ? parent.folders : std::make_shared<FolderState>(*parent.folders);
  child.actions = (flags & CLONE_SIGHAND) != 0 ? parent.actions : std::make_shared<SignalActions>(*parent.actions);
  if ((flags & CLONE_CLEAR_SIGHAND) != 0) {
    for (SignalAction& action : *child.actions)
      if (action.handler > 1) action = {};
  }
  child.credentials = parent.credentials;
  child.limits = parent.limits;
  child.group = parent.group;
  child.session = parent.session;
  child.exe = parent.exe;
  child.exe_node = parent.exe_node;
  child.argv = parent.argv;
  child.environ = parent.environ;
  child.dumpable = parent.dumpable;
  child.nice = parent.nice;
  return true;
}

int64_t System::clone(Thread& parent, const CloneRequest& request) {
  Process& from = *parent.process;
  const bool thread_only = (request.flags & CLONE_THREAD) != 0;
  if (threads.size() >= options.limits.processes || table.size() >= options.limits.processes) return -EAGAIN;
  if (threads.size() >= from.limits[RLIMIT_NPROC].rlim_cur) return -EAGAIN;
  Process* process = &from;
  std::unique_ptr<Process> made;
  if (!thread_only) {
    made = std::make_unique<Process>();
    if (!copy_process(from, *made, request.flags)) return -ENOMEM;
    process = made.get();
  }
  auto thread = make_thread(*process);
  thread->tid = new_pid();
  cpu.save(parent.context);
  thread->context = parent.context;
  thread->context.registers.rax = 0;
  if (request.stack != 0) thread->context.registers.rsp = request.stack;
  if ((request.flags & CLONE_SETTLS) != 0) thread->context.registers.fs_base = request.tls;
  thread->mask = parent.mask_after.value_or(parent.mask);
  thread->comm = parent.comm;
  if ((request.flags & CLONE_VM) == 0 || (request.flags & CLONE_VFORK) != 0) thread->alt_stack = parent.alt_stack;
  if ((request.flags & CLONE_CHILD_CLEARTID) != 0) thread->clear_tid = request.child_tid;
  const uint32_t tid = thread->tid;
  const UserMemory own(*from.space), childs(*process->space);
  // A pointer that does not work is not an error of clone's.
  if ((request.flags & CLONE_PARENT_SETTID) != 0) (void)own.put(request.parent_tid, tid);
  if ((request.flags & CLONE_CHILD_SETTID) != 0) (void)childs.put(request.child_tid, tid);
  Thread& born = *thread;
  threads.emplace(tid, thread.get());
  process->threads.push_back(std::move(thread));
  if (made) {
    made->pid = tid;
    made->parent = (request.flags & CLONE_PARENT) != 0 ? from.parent : from.pid;
    made->parent_tid = parent.tid;
    made->exit_signal = (request.flags & CLONE_PARENT) != 0 ? from.exit_signal : request.exit_signal;
    made->start_ns = clock.now();
    made->vfork_parent_waits = (request.flags & CLONE_VFORK) != 0;
    list_process(*made);
    table.emplace(tid, std::move(made));
  }
  tell_event(CallKind::start, born, from.pid, request.flags | static_cast<uint64_t>(request.exit_signal), 0);
  return tid;
}

void System::become(Thread& thread, Program program, std::string argv, std::string environ) {
  Process& process = *thread.process;
  for (const auto& other : process.threads) {
    if (other.get() == &thread || other->gone) continue;
    release(*other);
    tell_event(CallKind::exit, *other, 0, 0, 0);
  }
  const auto own = std::find_if(process.threads.begin(), process.threads.end(),
                                [&](const auto& each) { return each.get() == &thread; });
  std::iter_swap(process.threads.begin(), own);
  while (process.threads.size() > 1) {
    graveyard_.push_back(std::move(process.threads.back()));
    process.threads.pop_back();
  }
  threads.erase(thread.tid);
  thread.tid = process.pid;
  threads[thread.tid] = &thread;

  cpu.forget(thread.context);
  thread.context = {program.registers, {}};
  thread.clear_tid = thread.robust_list = 0;
  thread.alt_stack = {};
  thread.comm = program.comm;
  if (process.space.use_count() == 1) write_back(*process.space);
  process.space = std::move(program.space);
  process.files = std::make_shared<Descriptors>(*process.files);
  process.files->close_on_exec();
  process.actions = std::make_shared<SignalActions>(*process.actions);
  for (SignalAction& action : *process.actions) action = {.handler = action.handler == 1 ? 1u : 0u};
  process.timers.clear();
  process.exe = std::move(program.exe);
  process.exe_node = std::move(program.exe_node);
  process.argv = std::move(argv);
  process.environ = std::move(environ);
  process.executed = true;
  process.dumpable = true;
  process.death_signal = 0;
  process.vfork_parent_waits = false;
  list_program(process);
}

// The program's own list of mutexes that it holds: each is marked, one waiter woken. It may be anything, also endless.
static void release_robust(System& system, Thread& thread) {
  const UserMemory memory(*thread.process->space);
  struct Head {
    uint64_t next;
    int64_t offset;
    uint64_t pending;
  } head{};
  if (thread.robust_list == 0 || !memory.get(thread.robust_list, head)) return;
  const auto mark = [&](uint64_t entry) {
    const uint64_t address = (entry & ~uint64_t{1}) + static_cast<uint64_t>(head.offset);
    uint32_t* word = memory.word(address, true);
    if (word == nullptr || (*word & futex_tid) != thread.tid) return;
    *word = (*word & futex_waiters) | futex_owner_died;
    system.wake_word(*thread.process, address, 1);
  };
  uint64_t entry = head.next;
  for (size_t i = 0; i < robust_most && (entry & ~uint64_t{1}) != thread.robust_list; ++i) {
    uint64_t next = 0;
    const bool there = memory.get(entry & ~uint64_t{1}, next);
    if (entry != head.pending) mark(entry);
    if (!there) break;
    entry = next;
  }
  if (head.pending != 0) mark(head.pending);
}

// Takes a thread out of everything but the list of its process.
void System::release(Thread& thread) {
  futexes.remove(thread);
  thread.wait.reset();
  if (thread.call) {
    thread.call->flags |= call_no_return;
    tell(std::move(*thread.call));
    thread.call.reset();
  }
  release_robust(*this, thread);
  if (thread.clear_tid != 0) {
    const UserMemory memory(*thread.process->space);
    if (memory.put(thread.clear_tid, uint32_t{0})) wake_word(*thread.process, thread.clear_tid, 1);
  }
  cpu.forget(thread.context);
  thread.process->cpu_ns += thread.cpu_ns;
  thread.gone = true;
  threads.erase(thread.tid);
}

void System::end_thread(Thread& thread, int32_t wait_status) {
  if (thread.gone) return;
  Process& process = *thread.process;
  release(thread);
  const bool last =
      std::all_of(process.threads.begin(), process.threads.end(), [](const auto& each) { return each->gone; });
  tell_event(CallKind::exit, thread, static_cast<uint32_t>(wait_status), last ? 1 : 0, 0);
  if (last) {
    if (!process.ending) process.wait_status = wait_status;
    become_zombie(process);
  } else if (&thread != process.threads.front().get()) {
    // The leader's entry stands for the process and stays.
    const auto own = std::find_if(process.threads.begin(), process.threads.end(),
                                  [&](const auto& each) { return each.get() == &thread; });
    graveyard_.push_back(std::move(*own));
    process.threads.erase(own);
  }
}

void System::end_process(Process& process, int32_t wait_status) {
  if (process.zombie || process.ending) return;
  process.ending = true;
  process.stopped = false;
  process.wait_status = wait_status;
  while (!process.zombie) {
    const auto live =
        std::find_if(process.threads.rbegin(), process.threads.rend(), [](const auto& each) { return !each->gone; });
    end_thread(**live, wait_status);
  }
}

void System::become_zombie(Process& process) {
  process.zombie = true;
  if (process.space.use_count() == 1) write_back(*process.space);
  const auto files_then = std::move(process.files);
  const auto space_then = std::move(process.space);
  const auto folders_then = std::move(process.folders);
  for (const int fd : files_then->numbers()) files_then->get(fd)->closed_by(process.pid);
  process.exe_node.reset();
  process.timers.clear();
  process.real_timer = process.virtual_timer = process.prof_timer = {};
  process.vfork_parent_waits = false;
  if (process.report_index < listed_.size()) {
    GuestProcess& told = listed_[process.report_index];
    told.end_ns = clock.spent();
    told.wait_status = process.wait_status;
    told.calls = process.calls;
  }
  if (process.pid == first_pid_) first_status_ = process.wait_status;
  abandon_children(process);
  const int32_t status = process.wait_status;
  const int code = WIFEXITED(status) ? CLD_EXITED : (status & 0x80) != 0 ? CLD_DUMPED : CLD_KILLED;
  tell_parent(process, code, WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  Process* parent = find_process(process.parent);
  const bool unwanted = parent == nullptr ||
                        (process.exit_signal == SIGCHLD && ((*parent->actions)[SIGCHLD].handler == 1 ||
                                                            ((*parent->actions)[SIGCHLD].flags & SA_NOCLDWAIT) != 0));
  if (unwanted) reap(process);
}

void System::abandon_children(Process& process) {
  uint32_t heir = 1;
  for (Process* above = find_process(process.parent); above != nullptr; above = find_process(above->parent)) {
    if (above->subreaper && !above->zombie) {
      heir = above->pid;
      break;
    }
  }
  std::vector<Process*> children;
  for (const auto& [pid, each] : table)
    if (each->parent == process.pid) children.push_back(each.get());
  for (Process* child : children) {
    child->parent = heir;
    if (child->zombie && heir == 1) {
      reap(*child);
    } else if (child->death_signal != 0) {
      send(*child, {.number = child->death_signal, .pid = process.pid});
    }
  }
}

void System::reap(Process& process) {
  const auto found = table.find(process.pid);
  if (found == table.end()) return;
  for (auto& thread : process.threads) graveyard_.push_back(std::move(thread));
  process.threads.clear();
  dead_.push_back(std::move(found->second));
  table.erase(found);
}

void System::sweep() {
  graveyard_.clear();
  dead_.clear();
}

void System::list_process(Process& process) {
  if (listed_.size() >= report_list_max) {
    ++listed_dropped_;
    return;
  }
  process.report_index = listed_.size();
  GuestProcess told;
  told.pid = process.pid;
  told.parent = process.parent == 1 ? 0 : process.parent;
  told.start_ns = clock.spent();
  listed_.push_back(std::move(told));
  list_program(process);
}

void System::list_program(Process& process) {
  if (process.report_index >= listed_.size()) return;
  GuestProcess& told = listed_[process.report_index];
  told.exe = process.exe;
  told.argv.clear();
  size_t bytes = 0;
  for (size_t at = 0; at < process.argv.size() && told.argv.size() < 64 && bytes < report_text_max;) {
    const size_t end = std::min(process.argv.find('\0', at), process.argv.size());
    told.argv.push_back(process.argv.substr(at, std::min<size_t>(end - at, report_text_max - bytes)));
    bytes += told.argv.back().size();
    at = end + 1;
  }
}

}  // namespace shrike::sandbox::microvm
