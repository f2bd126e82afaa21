#pragma once
// The one writer: takes what was judged, fans alerts out at once, and puts everything on the disk in groups. Only after
// the sync are messages released and agents acknowledged.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collector/acks.h"
#include "collector/feed.h"
#include "collector/index.h"
#include "collector/metrics.h"
#include "collector/store.h"

namespace shrike::collector {

/// Holds one message of the bus until it may go. Destroyed without a call: the bus delivers it again.
class Receipt {
 public:
  virtual ~Receipt() = default;
  /// It is on our disk, or refused for good.
  virtual void done() = 0;
  /// Deliver it again a little later.
  virtual void again(std::chrono::milliseconds delay) = 0;
};

/// One judged message, or a finding of our own, on its way to the disk.
struct Pending {
  std::unique_ptr<Receipt> receipt;                   ///< keeps `bytes` alive; null for our own findings
  std::string_view bytes;                             ///< the batch, when `row` is there
  std::shared_ptr<BatchRow> row;                      ///< accepted
  std::vector<std::shared_ptr<AlertRow>> alerts;      ///< of the batch
  std::vector<ProfileRow> profiles;                   ///< of the batch
  std::vector<std::shared_ptr<AlertRow>> own_alerts;  ///< integrity
  std::vector<std::shared_ptr<VerdictRow>> verdicts;  ///< to be stored
  std::vector<DetonationRow> detonations;             ///< of the batch
  std::shared_ptr<VerdictRow> shown;                  ///< for followers only: accepted and duplicate
  [[nodiscard]] size_t weight() const { return bytes.size() + 1024; }
};

class Committer {
 public:
  struct Parts {
    Store store;
    Index index;
    AckBook& acks;
    Feed<AlertRow>& alerts;
    Feed<VerdictRow>& verdicts;
    Metrics& metrics;
  };
  struct Callbacks {
    std::function<void(const AckBook::Ack&)> send;  ///< an acknowledgement, after the sync
    std::function<void(const Error&)> stalled;      ///< the disk refuses; tried again for ever. Once a stall
    std::function<void()> resumed;
    std::function<void(const Error&)> broken;  ///< the index is corrupt: the process must end and rebuild
  };
  Committer(Parts parts, Callbacks callbacks);
  ~Committer();

  enum class Room : uint8_t {
    telemetry,
    alerts,  ///< has room of its own, so that telemetry cannot hold it up
    own,     ///< our own findings, few: never blocks
  };
  /// Gives serials, publishes to followers, queues. Blocks while the queue is full. Returns the batch's serial, or any
  /// other number; 0 when stopping: then nothing was taken.
  uint64_t push(Pending pending, Room room);
  /// Writes what is queued (gives up when the disk refuses), then ends the thread and closes the index.
  void stop();

  [[nodiscard]] const std::atomic<uint64_t>& committed() const { return committed_; }
  /// Figures of the store, as of the last commit.
  [[nodiscard]] Gauges gauges() const;

 private:
  void run();
  bool commit(std::vector<Pending>& group);
  bool append(std::vector<Pending>& group);
  Result<void> index(std::vector<Pending>& group, const std::vector<AckBook::Ack>& acks);
  bool wait_after_failure();
  void note_store();

  Parts parts_;
  Callbacks callbacks_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable room_;
  std::deque<Pending> queue_;
  size_t queued_bytes_ = 0;
  uint64_t serial_ = 0;
  bool stopping_ = false;
  Gauges gauges_;
  std::atomic<uint64_t> committed_{0};
  std::thread thread_;
};

}  // namespace shrike::collector
