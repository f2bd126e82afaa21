#include "common/wire/batch.h"

#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/batch.pb.h"
#include "common/wire/protobuf.h"
#include "common/wire/sha256.h"
#include "common/wire/subjects.h"

namespace shrike {
namespace {
using namespace std::string_view_literals;
constexpr uint32_t wire_version = 1;
constexpr uint32_t algorithm_ed25519 = 1;
constexpr size_t header_max_bytes = 16u << 10;
constexpr size_t losses_max = 256;
constexpr size_t name_max_bytes = 64;
// Measured on events of a build (bench/bench_seal.cc), ns an event and ratio at 256 KiB: level 1 258 and 5.5, -1 226
// and 5.2, -3 180 and 5.0, -5 187 and 4.0.
constexpr int compression_level = -3;
constexpr std::string_view hash_domain = "shrike batch v1\0"sv;
constexpr std::string_view signature_domain = "shrike batch signature v1\0"sv;

// A cause or a version: short, and nothing that a terminal or a metric's label would trip over.
bool is_name(std::string_view text) {
  if (text.size() > name_max_bytes) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

Error bad(std::string_view field, std::string_view what) {
  return Error{"batch: " + std::string(field) + " " + std::string(what)};
}

std::string header_bytes(const BatchHeader& header) {
  wire::BatchHeader message;
  message.set_version(wire_version);
  message.set_algorithm(algorithm_ed25519);
  message.set_node(header.node);
  message.set_boot(std::string(as_bytes(header.boot)));
  message.set_lane(static_cast<uint32_t>(header.lane));
  message.set_seq(header.seq);
  message.set_previous(std::string(as_bytes(header.previous)));
  message.set_merkle_root(std::string(as_bytes(header.merkle_root)));
  message.set_count(header.count);
  message.set_first_time_ns(header.first_time_ns);
  message.set_last_time_ns(header.last_time_ns);
  for (const auto& [key, count] : header.losses) {
    wire::LossMessage* loss = message.add_losses();
    loss->set_cause(key.cause);
    loss->set_class_(key.loss_class);
    loss->set_count(count);
  }
  message.set_agent_version(header.agent_version);
  message.set_policy_digest(header.policy_digest);
  message.set_sealed_time_ns(header.sealed_time_ns);
  message.set_payload_bytes(header.payload_bytes);
  if (header.drop) {
    wire::DropMessage* drop = message.mutable_drop();
    drop->set_first(header.drop->first);
    drop->set_last(header.drop->last);
    drop->set_last_hash(std::string(as_bytes(header.drop->last_hash)));
    drop->set_events(header.drop->events);
    drop->set_cause(header.drop->cause);
  }
  message.set_public_key(header.public_key);
  return message.SerializeAsString();
}

Signature sign_hash(const Digest& hash, const PrivateKey& key) {
  return key.sign(std::string(signature_domain).append(as_bytes(hash)));
}

std::string frame(const std::string& header, std::string_view payload, const PrivateKey& key, Digest& hash) {
  hash = batch_hash(header, sha256(payload));
  const Signature signature = sign_hash(hash, key);
  std::string bytes(header.size() + payload.size() + signature.size() + 6 * proto::varint_max, '\0');
  char* at = proto::put_bytes(bytes.data(), 1, header);
  at = proto::put_bytes(at, 2, payload);
  at = proto::put_bytes(at, 3, as_bytes(signature));
  bytes.resize(static_cast<size_t>(at - bytes.data()));
  return bytes;
}

Result<Losses> losses_from(const wire::BatchHeader& message) {
  Losses losses;
  if (static_cast<size_t>(message.losses_size()) > losses_max) return bad("losses", "are more than 256");
  for (const wire::LossMessage& loss : message.losses()) {
    if (!is_name(loss.cause()) || !is_name(loss.class_()))
      return bad("losses", "name a cause or class that is no name");
    losses[{loss.cause(), loss.class_()}] = loss.count();
  }
  return losses;
}

Result<Drop> drop_from(const wire::BatchHeader& message) {
  Drop drop;
  drop.first = message.drop().first();
  drop.last = message.drop().last();
  drop.events = message.drop().events();
  drop.cause = message.drop().cause();
  if (!copy_into(message.drop().last_hash(), drop.last_hash)) return bad("drop.last_hash", "is not 32 bytes");
  if (!is_name(drop.cause)) return bad("drop.cause", "is no name");
  if (drop.first == 0 || drop.first > drop.last || drop.last != message.seq())
    return bad("drop", "is not a range that ends with this seq");
  if (message.count() != 0) return bad("drop", "stands in a batch that has events");
  return drop;
}
}  // namespace

BatchBuilder::BatchBuilder(Lane lane)
    : lane_(lane), compressor_(ZSTD_createCCtx(), [](void* p) { ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(p)); }) {}

void BatchBuilder::add(std::string_view event, uint64_t time_ns) {
  char head[2 * proto::varint_max];
  char* end = proto::put_varint(proto::put_tag(head, 1, proto::WireType::bytes), event.size());
  payload_.append(head, static_cast<size_t>(end - head)).append(event);
  ends_.push_back(static_cast<uint32_t>(payload_.size()));
  sizes_.push_back(static_cast<uint32_t>(event.size()));
  if (ends_.size() == 1 || time_ns < first_time_ns_) first_time_ns_ = time_ns;
  if (ends_.size() == 1 || time_ns > last_time_ns_) last_time_ns_ = time_ns;
}

uint32_t BatchBuilder::count() const { return static_cast<uint32_t>(ends_.size()); }
size_t BatchBuilder::payload_bytes() const { return payload_.size(); }

std::string BatchBuilder::seal(BatchHeader header, const PrivateKey& key, Digest& hash) {
  header.lane = lane_;
  std::vector<std::string_view> events(ends_.size());
  for (size_t i = 0; i < events.size(); ++i)
    events[i] = std::string_view(payload_).substr(ends_[i] - sizes_[i], sizes_[i]);
  header.merkle_root = merkle_root(merkle_leaves(events));
  header.count = count();
  header.first_time_ns = first_time_ns_;
  header.last_time_ns = last_time_ns_;
  header.payload_bytes = payload_.size();
  header.sealed_time_ns = wall_now_ns();
  header.drop.reset();
  compressed_.resize(ZSTD_compressBound(payload_.size()));
  auto* compressor = static_cast<ZSTD_CCtx*>(compressor_.get());
  const size_t size = ZSTD_compressCCtx(compressor, compressed_.data(), compressed_.size(), payload_.data(),
                                        payload_.size(), compression_level);
  if (ZSTD_isError(size) != 0) {
    std::fprintf(stderr, "batch: zstd failed on a buffer of its own bound: %s\n", ZSTD_getErrorName(size));
    std::abort();
  }
  const std::string_view payload = header.count == 0 ? std::string_view() : std::string_view(compressed_.data(), size);
  std::string bytes = frame(header_bytes(header), payload, key, hash);
  payload_.clear();
  ends_.clear();
  sizes_.clear();
  first_time_ns_ = last_time_ns_ = 0;
  return bytes;
}

std::string seal_empty(const BatchHeader& header, const PrivateKey& key, Digest& hash) {
  BatchHeader empty = header;
  empty.merkle_root = {};
  empty.count = 0;
  empty.payload_bytes = 0;
  empty.sealed_time_ns = wall_now_ns();
  return frame(header_bytes(empty), {}, key, hash);
}

Result<BatchHeader> open_header(std::string_view bytes) {
  if (bytes.size() > header_max_bytes) return bad("header", "is larger than 16 KiB");
  wire::BatchHeader message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return bad("header", "is not Protobuf");
  BatchHeader header;
  if (message.version() != wire_version)
    return bad("version", std::to_string(message.version()) + " is not known; known is 1");
  if (message.algorithm() != algorithm_ed25519)
    return bad("algorithm", std::to_string(message.algorithm()) + " is not known; known is 1");
  if (auto node = check_node_id(message.node()); !node) return node.error().in("batch");
  header.node = message.node();
  if (!copy_into(message.boot(), header.boot)) return bad("boot", "is not 16 bytes");
  if (message.lane() != 1 && message.lane() != 2) return bad("lane", "is neither 1 nor 2");
  header.lane = static_cast<Lane>(message.lane());
  if (message.seq() == 0) return bad("seq", "is 0");
  header.seq = message.seq();
  if (!copy_into(message.previous(), header.previous)) return bad("previous", "is not 32 bytes");
  if (!copy_into(message.merkle_root(), header.merkle_root)) return bad("merkle_root", "is not 32 bytes");
  if (message.count() > batch_max_events) return bad("count", "is over 65536");
  header.count = message.count();
  header.first_time_ns = message.first_time_ns();
  header.last_time_ns = message.last_time_ns();
  header.losses = TRY(losses_from(message));
  if (!is_name(message.agent_version())) return bad("agent_version", "is no name");
  header.agent_version = message.agent_version();
  if (message.policy_digest().size() > name_max_bytes) return bad("policy_digest", "is over 64 bytes");
  header.policy_digest = message.policy_digest();
  header.sealed_time_ns = message.sealed_time_ns();
  if (message.payload_bytes() > payload_max_bytes) return bad("payload_bytes", "is over 8 MiB");
  header.payload_bytes = message.payload_bytes();
  if ((header.count == 0) != (header.payload_bytes == 0)) return bad("payload_bytes", "does not fit count");
  if (message.has_drop()) header.drop = TRY(drop_from(message));
  if (!message.public_key().empty() && message.public_key().size() != 32) return bad("public_key", "is not 32 bytes");
  header.public_key = message.public_key();
  return header;
}

Result<OpenBatch> open_batch(std::string_view bytes) {
  if (bytes.size() > batch_max_bytes) return bad("size", "is over 1 MiB");
  OpenBatch batch;
  // The frame has one spelling only: nothing unsigned may hide in it, and equal hashes mean equal bytes.
  std::string_view rest = bytes;
  const auto header = proto::take_bytes(rest, 1);
  if (!header) return bad("header", "is missing or cut");
  if (const auto payload = proto::take_bytes(rest, 2)) {
    if (payload->empty()) return bad("payload", "is present and empty");
    batch.payload = *payload;
  }
  const auto signature = proto::take_bytes(rest, 3);
  if (!signature) return bad("payload or signature", "is missing or cut");
  if (!copy_into(*signature, batch.signature)) return bad("signature", "is not 64 bytes");
  if (!rest.empty()) return bad("signature", "is followed by more bytes");
  batch.header_bytes = *header;
  batch.header = TRY(open_header(*header));
  if ((batch.header.count == 0) != batch.payload.empty()) return bad("payload", "does not fit count");
  batch.payload_hash = sha256(batch.payload);
  batch.hash = batch_hash(batch.header_bytes, batch.payload_hash);
  return batch;
}

Digest batch_hash(std::string_view header, const Digest& payload_hash) {
  char size[8];
  store_le(size, static_cast<uint64_t>(header.size()));
  return Sha256().add(hash_domain).add({size, sizeof size}).add(header).add(as_bytes(payload_hash)).finish();
}

bool verify_signature(const Digest& hash, const Signature& signature, const PublicKey& key) {
  return key.verify(std::string(signature_domain).append(as_bytes(hash)), signature);
}

Result<OpenPayload> open_payload(const OpenBatch& batch) {
  OpenPayload payload;
  const BatchHeader& header = batch.header;
  if (header.count == 0) {
    if (header.merkle_root != Digest{}) return bad("merkle_root", "of no event is not zeros");
    return payload;
  }
  // The size is believed only when the header's, bounded already, says the same: then it is allocated.
  if (ZSTD_getFrameContentSize(batch.payload.data(), batch.payload.size()) != header.payload_bytes)
    return bad("payload", "does not decompress to the header's payload_bytes");
  if (ZSTD_findFrameCompressedSize(batch.payload.data(), batch.payload.size()) != batch.payload.size())
    return bad("payload", "is not one zstd frame");
  payload.bytes.resize(header.payload_bytes);
  const size_t size =
      ZSTD_decompress(payload.bytes.data(), payload.bytes.size(), batch.payload.data(), batch.payload.size());
  if (ZSTD_isError(size) != 0 || size != header.payload_bytes) return bad("payload", "does not decompress");
  payload.events.reserve(std::min<size_t>(header.count, size / 2 + 1));
  for (std::string_view rest = payload.bytes; !rest.empty();) {
    const auto event = proto::take_bytes(rest, 1);
    if (!event) return bad("payload", "is cut after event " + std::to_string(payload.events.size()));
    if (payload.events.size() == header.count) return bad("payload", "holds more events than count");
    payload.events.push_back(*event);
  }
  if (payload.events.size() != header.count) return bad("payload", "holds fewer events than count");
  if (merkle_root(merkle_leaves(payload.events)) != header.merkle_root)
    return bad("merkle_root", "does not fit the payload");
  return payload;
}

}  // namespace shrike
