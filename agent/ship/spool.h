#pragma once
// The hand-over between sealing and publishing: what is in it survives kill -9 of the agent; what has been in it for
// `sync_interval` survives a power cut.

#include <array>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/ship/chain_state.h"
#include "agent/ship/identity.h"
#include "agent/ship/lane_spool.h"

namespace shrike::ship {

struct SpoolOptions {
  std::string state_dir;
  uint64_t max_bytes = 1u << 30;  ///< of both lanes; a quarter of it is kept for alerts
  std::chrono::milliseconds sync_interval{500};
  std::string boot_id_file = "/proc/sys/kernel/random/boot_id";
};

/// What a lane's next header begins with.
struct NextLink {
  BootId boot{};
  uint64_t seq = 1;
  Digest previous{};
};

struct LaneStatus {
  uint64_t head_seq = 0;
  uint64_t acked_seq = 0;  ///< of the present boot
  uint64_t pending = 0;    ///< batches not acknowledged, of all boots
  uint64_t bytes = 0;      ///< on disk
};

/// Thread-safe. One sealer appends, one publisher reads; a thread of its own syncs.
class Spool {
 public:
  /// Reads and repairs `state_dir`/spool and /chain. Begins a new boot when the host has booted since, or when its
  /// state was lost. Errors: the folder cannot be read or written, or another agent has it; max_bytes under 1 MiB.
  static Result<std::unique_ptr<Spool>> open(SpoolOptions options, Identity identity);
  ~Spool();  ///< syncs

  [[nodiscard]] const Identity& identity() const { return identity_; }
  /// What `open` and later reads found damaged and did about it, one line each; empties the list.
  std::vector<std::string> take_repairs();

  [[nodiscard]] NextLink next_link(Lane lane) const;
  /// Writes a batch sealed on `next_link`. Telemetry that no longer fits drops the oldest telemetry; alerts drop
  /// telemetry too, never alerts. Errors: code ENOSPC when there is nothing left to drop; other errno of writing. Then
  /// the batch is not in the chain and its seq is free.
  Result<void> append(Lane lane, std::string_view body, const BatchHeader& header, const Digest& hash);

  /// Counts `events` of telemetry that were sealed but could not be appended.
  void count_lost(uint64_t events);

  /// See LaneSpool.
  Result<std::optional<Spooled>> next(Lane lane);
  void rewind(Lane lane);
  Result<void> acknowledge(const AckBody& ack);
  Result<void> condemn_first(Lane lane);

  /// `called` after each append, from the appending thread, without the lock.
  void on_append(std::function<void()> called);
  /// Losses since this boot's chain began: `outside` (those of the stages before, since the agent started), what
  /// earlier runs of the agent on this boot told, and the spool's own.
  [[nodiscard]] Losses losses(const Losses& outside);
  [[nodiscard]] LaneStatus status(Lane lane) const;
  /// Syncs now. Errors: errno of fdatasync or of writing the state file.
  Result<void> sync();
  /// The last error of the syncing thread, once; nothing when there was none.
  std::optional<Error> take_sync_error();

 private:
  Spool(SpoolOptions options, Identity identity) : options_(std::move(options)), identity_(std::move(identity)) {}
  Result<void> load();
  void begin_boot(const std::string& host_boot);
  LaneSpool& at(Lane lane) { return *lanes_[lane_index(lane)]; }
  [[nodiscard]] const LaneSpool& at(Lane lane) const { return *lanes_[lane_index(lane)]; }
  [[nodiscard]] bool fits(Lane lane, uint64_t size) const;
  Result<bool> make_room();
  void count_losses();
  void run_sync();

  const SpoolOptions options_;
  Fd lock_;  ///< on state_dir: two agents on one chain would fork it
  const Identity identity_;
  mutable std::mutex mutex_;
  std::array<std::optional<LaneSpool>, 2> lanes_;
  std::string host_boot_;
  BootId boot_{};
  Losses base_;  ///< of earlier runs on this boot
  Losses own_;   ///< the spool's, of this run
  std::vector<std::string> repairs_;
  std::function<void()> on_append_;

  std::mutex sync_mutex_;  ///< one sync at a time; taken before mutex_
  std::string written_state_;
  std::optional<Error> sync_error_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread sync_thread_;
};

}  // namespace shrike::ship
