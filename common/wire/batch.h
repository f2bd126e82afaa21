#pragma once
// Sealing and opening batches: the hash chain that makes evidence provable.

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/keys.h"

namespace shrike {

enum class Lane : uint8_t { alerts = 1, telemetry = 2 };
std::string_view lane_name(Lane lane);
std::optional<Lane> lane_named(std::string_view name);

/// What the verifier says of a batch.
enum class Verdict : uint8_t {
  accepted = 1,
  duplicate = 2,    ///< known, same hash
  gap = 3,          ///< seq is ahead of what was expected
  forged = 4,       ///< signature, Merkle root or node id wrong, or signed by a key that is not this node's
  forked = 5,       ///< same seq with another hash, or previous is not our last: two agents with one key, or rewritten
  rolled_back = 6,  ///< a boot's chain restarted, or an older boot went on after a newer one began
  malformed = 7,    ///< not a batch at all
};
std::string_view verdict_name(Verdict verdict);

inline constexpr size_t batch_max_bytes = 1u << 20;    ///< as sent; NATS takes no more
inline constexpr size_t payload_max_bytes = 8u << 20;  ///< uncompressed
inline constexpr uint32_t batch_max_events = 65536;

using BootId = std::array<uint8_t, 16>;

struct LossKey {
  std::string cause;
  std::string loss_class;
  auto operator<=>(const LossKey&) const = default;
};
using Losses = std::map<LossKey, uint64_t>;

struct Drop {
  uint64_t first = 0;
  uint64_t last = 0;
  Digest last_hash{};
  uint64_t events = 0;
  std::string cause;
};

/// A header in memory; field by field what batch.proto documents.
struct BatchHeader {
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  Digest previous{};
  Digest merkle_root{};
  uint32_t count = 0;
  uint64_t first_time_ns = 0;
  uint64_t last_time_ns = 0;
  Losses losses;
  std::string agent_version;
  std::string policy_digest;
  uint64_t sealed_time_ns = 0;
  uint64_t payload_bytes = 0;
  std::optional<Drop> drop;
  /// The node's raw key, 32 bytes. Agents always fill it; who trusts a first key reads it, nobody else does. Empty
  /// when absent.
  std::string public_key;
};

/// A batch whose outer shape and header have been checked; views point into the bytes it was opened from.
struct OpenBatch {
  BatchHeader header;
  Digest hash{};
  Digest payload_hash{};          ///< SHA-256 of `payload`
  std::string_view header_bytes;  ///< as sent
  std::string_view payload;       ///< compressed, as sent
  Signature signature{};
};

/// Collects encoded events of one lane and seals them.
class BatchBuilder {
 public:
  explicit BatchBuilder(Lane lane);
  /// Appends one encoded EventMessage: a leaf. The caller seals before `batch_max_events` events or
  /// `payload_max_bytes` are exceeded; the batch as sent must also stay under `batch_max_bytes`.
  void add(std::string_view event, uint64_t time_ns);
  [[nodiscard]] uint32_t count() const;
  [[nodiscard]] size_t payload_bytes() const;
  /// Fills merkle_root, count, times and payload_bytes of `header`, compresses, hashes, signs; empties itself.
  /// `hash` receives the batch's hash. Returns the Batch message's bytes.
  std::string seal(BatchHeader header, const PrivateKey& key, Digest& hash);

 private:
  Lane lane_;
  std::string payload_;
  std::string compressed_;
  std::vector<uint32_t> ends_;  // of each event in payload_
  std::vector<uint32_t> sizes_;
  uint64_t first_time_ns_ = 0;
  uint64_t last_time_ns_ = 0;
  std::unique_ptr<void, void (*)(void*)> compressor_;  // zstd's context, kept: making one costs more than a batch
};

/// Seals a batch without events: a drop statement or a heartbeat.
std::string seal_empty(const BatchHeader& header, const PrivateKey& key, Digest& hash);

/// Parses header and checks bounds only, no key needed. Errors name the field.
Result<OpenBatch> open_batch(std::string_view bytes);
/// The same for a header alone, as a proof of one event carries it.
Result<BatchHeader> open_header(std::string_view bytes);
/// The hash of a batch from its header as sent and the SHA-256 of its payload as sent.
Digest batch_hash(std::string_view header, const Digest& payload_hash);
/// Whether `signature` is `key`'s over the batch with that hash.
bool verify_signature(const Digest& hash, const Signature& signature, const PublicKey& key);
/// Checks the signature of a batch.
inline bool verify_signature(const OpenBatch& batch, const PublicKey& key) {
  return verify_signature(batch.hash, batch.signature, key);
}
/// Decompresses, checks count and Merkle root, and returns the payload's events as byte strings in it.
struct OpenPayload {
  std::string bytes;
  std::vector<std::string_view> events;
};
Result<OpenPayload> open_payload(const OpenBatch& batch);

/// Merkle tree as in RFC 9162: leaf = SHA-256(0 || bytes), node = SHA-256(1 || left || right). Root of no leaf: zeros.
Digest merkle_leaf(std::string_view event);
/// The leaves of many events, faster than one by one.
std::vector<Digest> merkle_leaves(const std::vector<std::string_view>& events);
Digest merkle_root(const std::vector<Digest>& leaves);
std::vector<Digest> merkle_proof(const std::vector<Digest>& leaves, size_t index);
bool merkle_verify(const Digest& leaf, size_t index, size_t count, const std::vector<Digest>& proof,
                   const Digest& root);

/// One acknowledgement, signed by the collector.
struct AckBody {
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  Digest hash{};
  std::string collector;
  uint64_t time_ns = 0;
  Verdict verdict = Verdict::accepted;
};
std::string seal_ack(const AckBody& body, const PrivateKey& key);
/// Errors: malformed (which field); "signature does not fit the collector's key".
Result<AckBody> open_ack(std::string_view bytes, const PublicKey& collector);

}  // namespace shrike
