#pragma once
// The sparse index: where each batch stands, and what operators ask for. Everything in it can be made again from the
// segments, so it is written after them and without an fsync of its own.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/segment.h"
#include "collector/sqlite.h"
#include "common/wire/alert.h"
#include "common/wire/batch.h"
#include "common/wire/chain.h"

namespace shrike::collector {

/// One accepted batch. `serial` orders all rows of all tables as they were taken in.
struct BatchRow {
  uint64_t serial = 0;
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  uint64_t first_seq = 0;  ///< of a drop statement's range; 0: no drop statement
  Digest hash{};
  ChainHead head;  ///< the lane's, after it
  uint64_t first_time_ns = 0;
  uint64_t last_time_ns = 0;
  uint64_t received_ns = 0;
  uint32_t count = 0;
  uint64_t dropped_batches = 0;  ///< by its drop statement
  uint64_t dropped_events = 0;
  bool unlinked = false;
  Position at;
  uint64_t size = 0;  ///< of the record
  std::string agent_version;
  Losses losses;
};

struct AlertRow {
  uint64_t serial = 0;
  Alert alert;
  std::string json;  ///< alert_to_json
};

/// What a sandboxed program did, as its agent reports it.
struct DetonationRow {
  uint64_t serial = 0;
  uint64_t time_ns = 0;
  std::string node;
  std::string id;    ///< the job's
  std::string json;  ///< one line of GET /v1/detonations
};

/// A verdict that is not `accepted`.
struct VerdictRow {
  uint64_t serial = 0;
  uint64_t received_ns = 0;
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  Verdict verdict = Verdict::malformed;
  std::string reason;
  uint32_t events = 0;
};
/// One line of GET /v1/verdicts.
std::string verdict_to_json(const VerdictRow& row);

/// What a node shipped last of one program's calls.
struct ProfileRow {
  std::string node;
  std::string path;
  uint64_t mtime_ns = 0;
  uint64_t received_ns = 0;
  uint64_t calls = 0;
  uint64_t ngrams = 0;
  bool full = false;
  std::string body;  ///< encode_profiles() of it alone
};

/// What is known of one node's lane.
struct LaneState {
  ChainHead head;
  uint64_t batches = 0;
  uint64_t events = 0;
  uint64_t dropped_batches = 0;
  uint64_t dropped_events = 0;
  uint64_t unlinked = 0;
  uint64_t last_received_ns = 0;
  Losses losses;  ///< as its last header says
};
struct NodeState {
  std::string node;
  uint64_t first_seen_ns = 0;
  uint64_t last_seen_ns = 0;
  std::string agent_version;
  std::map<Lane, LaneState> lanes;
};

struct Totals {
  uint64_t batches = 0;
  uint64_t events = 0;
  uint64_t alerts = 0;
  uint64_t verdicts = 0;
};

/// The one writer. Not thread-safe.
class Index {
 public:
  /// Opens or makes the file. Errors: SQLite's; EBADMSG: corrupt (found by SQLite's own quick check, which is made when
  /// the last stop was not clean) or of another version: set it aside and rebuild.
  static Result<Index> open(const std::string& path);

  /// The end of what has been indexed of the segments, and the last serial given.
  [[nodiscard]] Position position() const { return position_; }
  [[nodiscard]] uint64_t serial() const { return serial_; }
  [[nodiscard]] size_t node_count() const { return node_ids_.size(); }

  Result<void> begin();
  /// Adds a batch and moves its lane's head. False: that batch was there already, nothing changed.
  Result<bool> add_batch(const BatchRow& row);
  Result<void> add_alert(const AlertRow& row);
  Result<void> add_verdict(const VerdictRow& row);
  Result<void> add_detonation(const DetonationRow& row);
  Result<void> add_ack(const AckBody& ack, std::string_view signed_bytes);
  /// Instead of an older one of the same node, path and mtime. Of one node's the newest 8,192 are kept.
  Result<void> add_profile(const ProfileRow& row, uint64_t serial);
  /// Ends the transaction; from now on `position` and `serial` are what has been indexed.
  Result<void> commit(Position position, uint64_t serial);
  void rollback();
  /// Says that the stop was clean and folds the log into the file.
  Result<void> close();

 private:
  Database database_;
  std::unique_ptr<struct IndexStatements> statements_;
  std::map<std::string, int64_t, std::less<>> node_ids_;
  Position position_;
  uint64_t serial_ = 0;

  explicit Index(Database database);
  Result<int64_t> node_id(const BatchRow& row);

 public:
  Index(Index&&) noexcept;
  Index& operator=(Index&&) noexcept;
  ~Index();
};

/// Renames index.sqlite and its log to index.sqlite.corrupt-<time>; returns the new name. Keeps the newest three.
Result<std::string> set_index_aside(const std::string& path);

struct AlertQuery {
  uint64_t since_ns = 0;  ///< of the alert's own time
  uint64_t until_ns = UINT64_MAX;
  Severity severity = Severity::info;
  std::string node;
  std::string rule;
  std::optional<uint64_t> limit;  ///< only the newest so many
};
[[nodiscard]] bool matches(const AlertQuery& query, const Alert& alert);

struct VerdictQuery {
  uint64_t since_ns = 0;  ///< of the receipt
  uint64_t until_ns = UINT64_MAX;
  std::string node;
  std::optional<uint64_t> limit;
};
[[nodiscard]] bool matches(const VerdictQuery& query, const VerdictRow& row);

struct DetonationQuery {
  uint64_t since_ns = 0;
  uint64_t until_ns = UINT64_MAX;
  std::string node;
  std::string id;
  std::optional<uint64_t> limit;  ///< only the newest so many
};

struct ProfileQuery {
  std::string node;
  std::string path;  ///< a pattern, as a shell's
  uint64_t received_since_ns = 0;
};

struct BatchQuery {
  std::string node;
  std::optional<Lane> lane;
  std::optional<BootId> boot;
  std::optional<uint64_t> seq;
  uint64_t received_since_ns = 0;
  uint64_t since_ns = 0;  ///< overlap of the batch's own times with since..until
  uint64_t until_ns = UINT64_MAX;
};
/// Where a stored batch is.
struct BatchPlace {
  uint64_t serial = 0;
  std::string node;
  Position at;
  uint64_t size = 0;
};

/// A reader with a connection of its own, for one thread. Never blocks the writer.
class IndexReader {
 public:
  static Result<IndexReader> open(const std::string& path);

  /// The last committed serial: what is above it is not in any answer yet.
  Result<uint64_t> serial();
  Result<std::vector<NodeState>> nodes();
  Result<Totals> totals();

  /// Calls `each` with the JSON text, oldest first, up to serial `last`; stops when it returns false.
  using Line = std::function<bool(std::string_view)>;
  Result<void> alerts(const AlertQuery& query, uint64_t last, const Line& each);
  /// The same; accepted batches and other verdicts in the order they came.
  Result<void> verdicts(const VerdictQuery& query, uint64_t last, const Line& each);
  /// What sandboxed programs did, oldest report first.
  Result<void> detonations(const DetonationQuery& query, const Line& each);
  /// By path, mtime and node; stops when `each` returns false. It must not wait: meanwhile the log cannot be folded.
  Result<void> profiles(const ProfileQuery& query, const std::function<bool(ProfileRow)>& each);
  /// At most `limit` places with a serial after `after`, in the order of storage; or, `descending`, before it.
  Result<std::vector<BatchPlace>> batches(const BatchQuery& query, uint64_t after, size_t limit, bool descending);

  /// Batches that the index has beyond the end of the segments: what was cut off or rolled back.
  struct Beyond {
    std::string node;
    Lane lane = Lane::telemetry;
    BootId boot{};
    uint64_t first_seq = 0;
    uint64_t last_seq = 0;
    uint64_t batches = 0;
  };
  Result<std::vector<Beyond>> beyond(Position end);

  /// For the verifier, see ChainHistory.
  Result<std::optional<Digest>> hash_of(const std::string& node, Lane lane, const BootId& boot, uint64_t seq);
  Result<bool> covered(const std::string& node, Lane lane, const BootId& boot, uint64_t seq);
  Result<bool> knows(const std::string& node, Lane lane, const BootId& boot);

 private:
  explicit IndexReader(Database database);
  Database database_;
  std::optional<Statement> hash_of_;
  std::optional<Statement> covered_;
  std::optional<Statement> knows_;
};

}  // namespace shrike::collector
