#pragma once
// A BPF ring buffer in ordinary memory, written to as the kernel does it (kernel/bpf/ringbuf.c).

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/probe/ring.h"

namespace shrike::probe::test {

class FakeRing {
 public:
  explicit FakeRing(size_t size) : size_(size), data_(2 * size) {}

  [[nodiscard]] Ring ring() { return {&consumer_, &producer_, data_.data(), size_}; }

  /// Room for `length` bytes, marked busy; nothing when the ring is full.
  std::optional<uint64_t> reserve(uint32_t length) {
    const std::lock_guard lock(mutex_);
    const uint64_t total = (length + 8 + 7) & ~uint64_t{7};
    const uint64_t position = producer_;
    if (position + total - __atomic_load_n(&consumer_, __ATOMIC_ACQUIRE) > size_ - 1) return std::nullopt;
    set_header(position, length | 1u << 31);
    __atomic_store_n(&producer_, position + total, __ATOMIC_RELEASE);
    return position;
  }
  void write(uint64_t position, std::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const size_t at = ((position & (size_ - 1)) + 8 + i) & (size_ - 1);
      data_[at] = data_[at + size_] = static_cast<std::byte>(bytes[i]);  // the kernel maps the pages twice instead
    }
  }
  void commit(uint64_t position, uint32_t length) { set_header(position, length); }
  void discard(uint64_t position, uint32_t length) { set_header(position, length | 1u << 30); }
  void set_header(uint64_t position, uint32_t word) {
    const size_t at = position & (size_ - 1);
    for (const size_t copy : {at, at + size_})
      __atomic_store_n(reinterpret_cast<uint32_t*>(data_.data() + copy), word, __ATOMIC_RELEASE);
  }

  /// A whole record at once; false when the ring is full.
  bool put(std::string_view bytes) {
    const auto position = reserve(static_cast<uint32_t>(bytes.size()));
    if (!position) return false;
    write(*position, bytes);
    commit(*position, static_cast<uint32_t>(bytes.size()));
    return true;
  }

 private:
  size_t size_;
  std::vector<std::byte> data_;
  unsigned long consumer_ = 0;
  unsigned long producer_ = 0;
  std::mutex mutex_;
};

}  // namespace shrike::probe::test
