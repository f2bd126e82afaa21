#pragma once
// Who waits for which word of memory.

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

namespace shrike::sandbox::microvm {

struct Thread;

/// A word in any address space that has it: shared memory by its frame, the rest by its address space.
struct FutexKey {
  uint64_t space = 0;  ///< 0: `address` is guest-physical
  uint64_t address = 0;
  bool operator==(const FutexKey&) const = default;
};

class Futexes {
 public:
  void add(const FutexKey& key, Thread& thread, uint32_t bits);
  void remove(const Thread& thread);
  /// Marks up to `most` threads that wait for `key` with one of `bits` as woken; how many.
  uint32_t wake(const FutexKey& key, uint64_t most, uint32_t bits);
  /// Moves up to `most` others over to `to`; how many.
  uint32_t requeue(const FutexKey& from, const FutexKey& to, uint64_t most);

 private:
  struct Hash {
    size_t operator()(const FutexKey& key) const {
      return static_cast<size_t>((key.space ^ (key.address * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd);
    }
  };
  struct Waiter {
    Thread* thread;
    uint32_t bits;
  };
  std::unordered_map<FutexKey, std::list<Waiter>, Hash> waiting_;  // at most one entry a thread
};

}  // namespace shrike::sandbox::microvm
