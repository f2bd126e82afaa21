#pragma once
// One lane's batches on disk, from sealing to the collector's acknowledgement.

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ship/chain_state.h"
#include "agent/ship/identity.h"
#include "agent/ship/record.h"
#include "common/base/fd.h"

namespace shrike::ship {

/// A batch on its way to the collector.
struct Spooled {
  std::string bytes;
  BootId boot{};
  uint64_t seq = 0;
  bool statement = false;  ///< stands for dropped batches
};

/// Not thread-safe; `Spool` holds the lock. Segment files are <id, 12 digits>.seg, ids only grow. The newest one stays
/// even when all of it is acknowledged: its last batch is the chain's head.
class LaneSpool {
 public:
  struct Options {
    std::string folder;
    Lane lane = Lane::telemetry;
    uint64_t segment_bytes = 4u << 20;
  };

  /// Reads the folder, repairs what is damaged: a torn tail is cut; a range of batches that cannot be read is replaced
  /// by a drop statement (cause spool_damaged) and the file kept as <id>.damaged. `state` is what the state file
  /// knows. Each repair adds a line to `repairs`: file, offset, what. Errors: the folder cannot be read or written.
  static Result<LaneSpool> open(Options options, const Identity& identity, const ChainState& state,
                                std::vector<std::string>& repairs);

  /// Writes a sealed batch behind the others. Errors: errno (ENOSPC, EIO); then nothing was written.
  Result<void> append(std::string_view body, const BatchHeader& header, const Digest& hash);
  /// The next batch in order behind the last one given; nothing when all were given. Damage found here is repaired as
  /// in `open` and added to `repairs`. Errors: errno of reading.
  Result<std::optional<Spooled>> next(std::vector<std::string>& repairs);
  /// `next` begins again with the first batch that is not acknowledged.
  void rewind() { cursor_ = {}; }
  /// Takes an acknowledgement, already verified to be the collector's. Errors: a boot or seq this spool never had, or
  /// another hash than the chain's head has.
  Result<void> acknowledge(const AckBody& ack);
  /// Replaces the oldest segment that is not a drop statement by one. Returns the events lost, nothing when there is
  /// no such segment. Errors: errno.
  Result<std::optional<uint64_t>> drop_oldest();
  /// Replaces the first unacknowledged batch by a drop statement with cause spool_damaged: it was found not to be ours.
  Result<void> condemn_first(std::vector<std::string>& repairs);
  /// Ends the segment being written; the next batch begins a new one.
  void end_segment();

  [[nodiscard]] const ChainHead& head() const { return head_; }
  [[nodiscard]] const Acked& acked() const { return acked_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  /// Batches not acknowledged yet.
  [[nodiscard]] uint64_t pending() const;
  /// Batches replaced by statements because of damage, since `open` began.
  [[nodiscard]] uint64_t damaged() const { return damaged_; }
  /// The highest losses that headers of the chain's last boot told when `open` read them: counting goes on there.
  [[nodiscard]] const Losses& last_losses() const { return last_losses_; }
  /// Losses that statements made from now on tell.
  void set_losses(const Losses& losses) { losses_ = losses; }

  /// Descriptors to sync, and whether the folder needs it too; nothing when all is synced.
  struct ToSync {
    std::vector<Fd> files;
    bool folder = false;
  };
  std::optional<ToSync> take_unsynced();
  [[nodiscard]] const std::string& folder() const { return options_.folder; }

 private:
  struct Segment {
    uint64_t id = 0;
    uint64_t bytes = 0;
    BootId boot{};
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t events = 0;
    /// Set when this segment is one drop statement only.
    std::optional<Drop> statement;
    Digest previous{};  ///< of the statement
    bool sent = true;   ///< a statement found at `open` may have been
  };
  struct Cursor {
    uint64_t segment = 0;
    uint64_t offset = 0;
  };
  /// What the next batch of the chain must be like.
  struct Expected {
    bool known = false;
    BootId boot{};
    uint64_t seq = 0;
    Digest previous{};
  };
  /// A segment's batches as they should stand in it: views into what was read, and statements made on the way.
  struct Rebuilt {
    std::vector<std::string_view> bodies;
    std::deque<std::string> made;
    bool changed = false;
  };

  LaneSpool(Options options, const Identity& identity) : options_(std::move(options)), identity_(&identity) {}

  [[nodiscard]] std::string path_of(uint64_t id) const;
  [[nodiscard]] bool is_acked(const Segment& segment) const;
  [[nodiscard]] bool is_acked(const BootId& boot, uint64_t seq) const;
  Result<void> begin_segment(const BatchHeader& header);
  Result<void> write_record(std::string_view body);
  void remove_front();
  std::string make_statement(const BootId& boot, const Digest& previous, Drop drop);
  Result<void> replace(Segment& segment, const std::vector<std::string_view>& bodies);
  Result<void> overwrite(const Segment& segment, std::string_view body);
  Result<std::optional<Spooled>> read_at(const Segment& segment, uint64_t offset);

  // lane_repair.cc
  Result<void> load(const ChainState& state, std::vector<std::string>& repairs);
  Result<void> load_segment(uint64_t id, Expected& expected, std::vector<std::string>& repairs);
  Result<void> repair_segment(Segment& segment, std::vector<std::string>& repairs);
  Rebuilt rebuild(std::string_view content, Expected& expected, const std::string& path,
                  std::vector<std::string>& repairs);
  void fill_gap(uint64_t first, uint64_t last, const BootId& boot, const Digest& last_hash, const Expected& expected,
                Rebuilt& rebuilt, const std::string& path, std::vector<std::string>& repairs);
  Result<void> close_boot(const Record& next, Expected& expected, std::vector<std::string>& repairs);
  Result<void> keep_damaged(const Segment& segment);
  void summarize(Segment& segment, const std::vector<std::string_view>& bodies);
  Result<void> adopt_head(const ChainState& state, std::vector<std::string>& repairs);
  Result<void> append_statement(const BootId& boot, const Digest& previous, Drop drop);
  Result<void> prepend_statement(uint64_t first, const Digest& previous);

  Options options_;
  const Identity* identity_;
  std::deque<Segment> segments_;
  Fd active_;  ///< the newest segment, while it is written to
  ChainHead head_;
  Acked acked_;
  Cursor cursor_;
  uint64_t next_id_ = 1;
  uint64_t bytes_ = 0;
  uint64_t damaged_ = 0;
  Losses losses_;
  Losses last_losses_;
  BootId losses_boot_{};   // whose last_losses_ are
  std::vector<Fd> ended_;  // written to since the last sync, closed by it
  bool dirty_ = false;
  bool folder_dirty_ = false;
};

}  // namespace shrike::ship
