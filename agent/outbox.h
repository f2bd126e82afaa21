#pragma once
// From the threads of sandboxed jobs to the loop that seals: bounded, and drained at a pace that leaves the host's own
// events their room.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "common/wire/alert.h"

namespace shrike::agent {

class Outbox {
 public:
  static constexpr size_t bytes_max = 8u << 20;

  struct Item {
    std::string event;           ///< an encoded EventMessage; empty: an alert
    uint64_t time_ns = 0;        ///< the event's
    std::optional<Alert> alert;  ///< of a job: sealed as it is
    bool raise = false;          ///< of the agent itself: goes through its findings
  };

  /// `events_per_s`: how fast take() gives events of jobs. Errors: errno of the descriptor.
  static Result<std::unique_ptr<Outbox>> make(uint64_t events_per_s);

  /// An event of a job's: waits for room, which stops the job's client and in the end, with a count, the sandbox's
  /// telling. False: the agent is stopping, and it was not taken.
  bool put_event(std::string event, uint64_t time_ns);
  /// What must not wait for others: alerts, reports, news of commands. Never waits; when even bytes_max more are
  /// there it is counted as lost.
  void put(Item item);

  /// The next one that may go now; nothing when there is none or the pace forbids it. `boot_ns`: now.
  std::optional<Item> take(uint64_t boot_ns);
  /// Readable when something is there; for epoll. take() until nothing comes.
  [[nodiscard]] int fd() const { return wake_.get(); }
  [[nodiscard]] uint64_t lost() const;
  /// Nobody waits any more; what is there can still be taken, without a pace.
  void close();

 private:
  Outbox(uint64_t events_per_s, Fd wake) : per_s_(events_per_s), wake_(std::move(wake)) {}
  void signal() const;

  const uint64_t per_s_;
  Fd wake_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Item> urgent_, events_;
  size_t bytes_ = 0, urgent_bytes_ = 0;
  uint64_t lost_ = 0;
  uint64_t pace_ns_ = 0;  // boot time up to which events have been given
  bool closed_ = false;
};

}  // namespace shrike::agent
