#pragma once
// One BPF ring buffer as it lies in memory. Pure: no file descriptors, so tests make up their own.
// Format: Documentation/bpf/ringbuf.rst and kernel/bpf/ringbuf.c.

#include <cstddef>
#include <cstdint>
#include <span>

namespace shrike::probe {

/// The consumer's side of a ring: a view, it owns nothing.
class Ring {
 public:
  enum class State : uint8_t {
    busy,       ///< reserved, still being written
    discarded,  ///< given back by its writer
    ready,
    damaged,  ///< a header that cannot be: nothing behind it can be found
  };
  struct Slot {
    State state = State::busy;
    uint64_t next = 0;  ///< position of the slot behind this one
    std::span<const std::byte> record;
  };

  /// `data` is mapped twice in a row, `size` (a power of two) bytes each time, so that no record is ever split.
  Ring(unsigned long* consumer, const unsigned long* producer, const std::byte* data, size_t size)
      : consumer_(consumer), producer_(producer), data_(data), size_(size) {}

  /// Everything before this position has been reserved by a writer.
  [[nodiscard]] uint64_t produced() const { return __atomic_load_n(producer_, __ATOMIC_ACQUIRE); }
  [[nodiscard]] uint64_t consumed() const { return __atomic_load_n(consumer_, __ATOMIC_RELAXED); }
  /// Gives the room of all slots before `position` back to the writers.
  void release(uint64_t position) { __atomic_store_n(consumer_, position, __ATOMIC_RELEASE); }
  [[nodiscard]] size_t size() const { return size_; }

  /// The slot at `position`, of which the caller knows that it lies before produced() was `produced`.
  [[nodiscard]] Slot at(uint64_t position, uint64_t produced) const {
    constexpr uint32_t busy = 1u << 31;
    constexpr uint32_t discarded = 1u << 30;
    constexpr uint64_t header = 8;
    const std::byte* slot = data_ + (position & (size_ - 1));
    const uint32_t word = __atomic_load_n(reinterpret_cast<const uint32_t*>(slot), __ATOMIC_ACQUIRE);
    const uint64_t length = word & (discarded - 1);
    const uint64_t next = position + ((header + length + 7) & ~uint64_t{7});
    if (next > produced || produced - position > size_) return {State::damaged, produced, {}};
    if ((word & busy) != 0) return {State::busy, next, {}};
    return {(word & discarded) != 0 ? State::discarded : State::ready, next, {slot + header, length}};
  }

 private:
  unsigned long* consumer_;
  const unsigned long* producer_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace shrike::probe
