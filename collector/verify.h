#pragma once
// Proves or refutes stored evidence. Pure: batches and keys in, a report out. `shrike verify` and the tests use it on a
// collector's segments and on what `GET /v1/batches` sends.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "collector/keys_file.h"
#include "collector/segment.h"
#include "common/wire/batch.h"
#include "common/wire/chain.h"

namespace shrike::collector {

enum class Tamper : uint8_t {
  altered,      ///< bytes changed after they were signed: a bit flipped
  missing,      ///< batches dropped out of the middle, or from the beginning
  swapped,      ///< stored in another order than the chain's
  rolled_back,  ///< the store ends before what was acknowledged; or an older boot went on after a newer one
  duplicate,    ///< the same batch stored twice
  foreign_key,  ///< signed, but by another key than this node's
  forked,       ///< two different batches with one sequence number, or one key in two nodes
  truncated,    ///< a file ends inside a record
  unreadable,   ///< bytes where no batch can be made out
};
std::string_view tamper_name(Tamper tamper);

struct Problem {
  Tamper tamper = Tamper::altered;
  std::string node;  ///< empty where nothing tells
  Lane lane = Lane::telemetry;
  BootId boot{};
  uint64_t seq = 0;       ///< the first batch concerned; 0 where nothing tells
  uint64_t last_seq = 0;  ///< of a range (missing, rolled_back), else seq
  Position at;            ///< where in the store; {0, 0} when it did not come from segments
  std::string sentence;   ///< for people; names node, lane and seq
};

/// A head that someone else remembers: an acknowledgement or an agent's state. A store behind it was rolled back.
struct Witness {
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  std::optional<Digest> hash;
  std::string who;  ///< "index.sqlite", "the agent's state": part of the sentence
};

struct StoredBatch {
  std::string_view bytes;  ///< valid until the next call
  Position at;
  Damage damage = Damage::none;
};

/// Where batches come from, in the order they were stored.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Fills `batch`; false after the last one. Errors: whatever reading gives.
  virtual Result<bool> next(StoredBatch& batch) = 0;
};

/// The batches of a collector's segments folder.
class SegmentBatches : public BatchSource {
 public:
  static Result<SegmentBatches> open(const std::string& dir);
  Result<bool> next(StoredBatch& batch) override;

 private:
  explicit SegmentBatches(SegmentReader reader) : reader_(std::move(reader)) {}
  SegmentReader reader_;
};

struct VerifyOptions {
  std::string node;        ///< only this one; empty: all
  bool from_start = true;  ///< false: a chain may begin anywhere (--since)
  std::vector<Witness> witnesses;
  size_t max_problems = 100;                       ///< kept in the report; all are counted
  std::function<void(uint64_t batches)> progress;  ///< told every 64 batches; may be empty
};

struct VerifyReport {
  struct Chain {
    ChainHead head;
    uint64_t batches = 0;
    uint64_t events = 0;
    uint64_t boots = 0;
    uint64_t dropped_batches = 0;  ///< explained by the node's signed drop statements
    uint64_t dropped_events = 0;
    Losses losses;  ///< as the last header states them
    uint64_t first_time_ns = 0;
    uint64_t last_time_ns = 0;
    uint64_t unlinked = 0;  ///< starts without a link to the boot before (lost agent state)
  };
  std::map<std::pair<std::string, Lane>, Chain> chains;
  uint64_t batches = 0;
  uint64_t events = 0;
  uint64_t problem_count = 0;
  std::vector<Problem> problems;           ///< the first is the first bad batch
  std::vector<std::string> unknown_nodes;  ///< no key is known: nothing can be told of them
  std::vector<std::string> notes;          ///< sentences: where keys came from, what could not be looked at

  enum class Outcome : uint8_t { proven, refuted, unknown };
  /// refuted: any problem. unknown: else, when a node's key is not known or there was no batch at all.
  [[nodiscard]] Outcome outcome() const;
};

/// Checks each batch: signature, Merkle root, bounds, chain, sequence; then the witnesses. About 63 us a batch and
/// 0.4 us an event. Of a node whose key is not known only that is told, and bytes that are no batches; a witness speaks
/// against it where not even its unchecked batches reach so far. Errors: only those of `source`.
Result<VerifyReport> verify_batches(BatchSource& source, const NodeKeys& keys, const VerifyOptions& options);

/// What a collector's state directory holds, with nothing running: segments, nodes.toml, and index.sqlite's heads as
/// witnesses when it can be read. `keys`: believed instead of nodes.toml, unless empty.
Result<VerifyReport> verify_state(const std::string& state_dir, const NodeKeys& keys, VerifyOptions options);

}  // namespace shrike::collector
