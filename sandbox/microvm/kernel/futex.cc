#include "sandbox/microvm/kernel/futex.h"

#include "sandbox/microvm/kernel/process.h"

namespace shrike::sandbox::microvm {

void Futexes::add(const FutexKey& key, Thread& thread, uint32_t bits) {
  thread.futex_woken = false;
  waiting_[key].push_back({&thread, bits});
}

void Futexes::remove(const Thread& thread) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    at->second.remove_if([&](const Waiter& waiter) { return waiter.thread == &thread; });
    at = at->second.empty() ? waiting_.erase(at) : std::next(at);
  }
}

uint32_t Futexes::wake(const FutexKey& key, uint64_t most, uint32_t bits) {
  const auto queue = waiting_.find(key);
  if (queue == waiting_.end()) return 0;
  uint32_t woken = 0;
  for (auto at = queue->second.begin(); at != queue->second.end() && woken < most;) {
    if ((at->bits & bits) == 0) {
      ++at;
      continue;
    }
    at->thread->futex_woken = true;
    at = queue->second.erase(at);
    ++woken;
  }
  if (queue->second.empty()) waiting_.erase(queue);
  return woken;
}

uint32_t Futexes::requeue(const FutexKey& from, const FutexKey& to, uint64_t most) {
  const auto queue = waiting_.find(from);
  if (queue == waiting_.end() || from == to) return 0;
  std::list<Waiter>& target = waiting_[to];
  // Inserting may have moved the table.
  std::list<Waiter>& source = waiting_.find(from)->second;
  uint32_t moved = 0;
  for (; !source.empty() && moved < most; ++moved) target.splice(target.end(), source, source.begin());
  if (source.empty()) waiting_.erase(from);
  if (target.empty()) waiting_.erase(to);
  return moved;
}

}  // namespace shrike::sandbox::microvm
