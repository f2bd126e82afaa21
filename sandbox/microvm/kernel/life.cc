// Processes and threads begin, and get other programs.

#include <linux/sched.h>

#include <algorithm>

#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint32_t pid_most = 32768;
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
  process.credentials = std::move(program.credentials);
  process.dumpable = true;
  process.death_signal = 0;
  process.vfork_parent_waits = false;
  list_program(process);
}

}  // namespace shrike::sandbox::microvm
