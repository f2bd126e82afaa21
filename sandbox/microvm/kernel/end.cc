// Threads and processes end.

#include <sys/wait.h>

#include <algorithm>

#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t robust_most = 2048;
constexpr uint32_t futex_owner_died = 0x40000000, futex_waiters = 0x80000000, futex_tid = 0x3fffffff;
}  // namespace

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

}  // namespace shrike::sandbox::microvm
