#pragma once

#include <cstdint>
#include <deque>
#include <unordered_set>

namespace shrike::ctl {

/// Remembers the last `most` keys, so that what comes again after a reconnect is shown once.
class Seen {
 public:
  explicit Seen(size_t most = 1u << 18) : most_(most) {}
  /// False when the key is among those remembered.
  bool add(uint64_t key) {
    if (!keys_.insert(key).second) return false;
    order_.push_back(key);
    if (order_.size() > most_) {
      keys_.erase(order_.front());
      order_.pop_front();
    }
    return true;
  }

 private:
  size_t most_;
  std::unordered_set<uint64_t> keys_;
  std::deque<uint64_t> order_;
};

}  // namespace shrike::ctl
