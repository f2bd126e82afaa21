#pragma once
// From the intake to whoever follows: never blocks the intake, never grows without bound.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/base/result.h"

namespace shrike::collector {

/// Rows have a `serial`, published in growing order. A follower gets at once what was published and is not in the index
/// yet, then everything new; what the index has, it reads there. So history up to the index's last serial, then the
/// feed's rows above it, are everything, once.
template <class Row>
class Feed {
 public:
  using RowPtr = std::shared_ptr<const Row>;  // owners: the feed while uncommitted, each follower's queue
  using Filter = std::function<bool(const Row&)>;

  class Follower {
   public:
    enum class State : uint8_t { open, overrun, closed };
    /// Waits until there are rows, at most `timeout`; appends them to `rows`. Not `open`: nothing more will come.
    State wait(std::vector<RowPtr>& rows, std::chrono::milliseconds timeout) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, timeout, [&] { return !queue_.empty() || state_ != State::open; });
      rows.insert(rows.end(), queue_.begin(), queue_.end());
      queue_.clear();
      return state_;
    }

   private:
    friend class Feed;
    void put(const RowPtr& row) {
      {
        const std::lock_guard lock(mutex_);
        if (state_ != State::open) return;
        if (queue_.size() >= queue_max) {
          state_ = State::overrun;
          queue_.clear();
        } else {
          queue_.push_back(row);
        }
      }
      changed_.notify_one();
    }
    void close() {
      {
        const std::lock_guard lock(mutex_);
        if (state_ == State::open) state_ = State::closed;
      }
      changed_.notify_one();
    }
    Filter filter_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<RowPtr> queue_;
    State state_ = State::open;
  };

  /// Errors: too many followers; closed.
  Result<std::shared_ptr<Follower>> follow(Filter filter) {
    auto follower = std::make_shared<Follower>();  // owners: the feed, and the connection that follows
    follower->filter_ = std::move(filter);
    const std::lock_guard lock(mutex_);
    if (closed_) return Error{"the collector is stopping"};
    if (followers_.size() >= followers_max)
      return Error{"there are " + std::to_string(followers_max) + " followers already"};
    for (const RowPtr& row : uncommitted_)
      if (follower->filter_(*row)) follower->put(row);
    followers_.push_back(follower);
    return follower;
  }
  void leave(const std::shared_ptr<Follower>& follower) {
    const std::lock_guard lock(mutex_);
    std::erase(followers_, follower);
  }

  void publish(const RowPtr& row) {
    const std::lock_guard lock(mutex_);
    uncommitted_.push_back(row);
    for (const auto& follower : followers_)
      if (follower->filter_(*row)) follower->put(row);
  }
  /// Everything up to `serial` can be read in the index from now on.
  void committed(uint64_t serial) {
    const std::lock_guard lock(mutex_);
    while (!uncommitted_.empty() && uncommitted_.front()->serial <= serial) uncommitted_.pop_front();
  }
  /// Ends all followers; new ones are refused.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& follower : followers_) follower->close();
  }
  [[nodiscard]] size_t followers() const {
    const std::lock_guard lock(mutex_);
    return followers_.size();
  }

  static constexpr size_t queue_max = 8192;
  static constexpr size_t followers_max = 32;

 private:
  mutable std::mutex mutex_;
  std::deque<RowPtr> uncommitted_;
  std::vector<std::shared_ptr<Follower>> followers_;
  bool closed_ = false;
};

}  // namespace shrike::collector
