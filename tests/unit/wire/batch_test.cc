#include "common/wire/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "common/base/bytes.h"
#include "common/wire/sha256_pair.h"

namespace shrike {
namespace {
using testing::HasSubstr;

BatchHeader header_of(uint64_t seq) {
  BatchHeader header;
  header.node = "web-1";
  header.boot.fill(7);
  header.lane = Lane::telemetry;
  header.seq = seq;
  header.previous.fill(9);
  header.losses[{"ring_full", "file"}] = 5;
  header.losses[{"spool_full", "telemetry"}] = UINT64_MAX;
  header.agent_version = "0.1.0";
  header.policy_digest = std::string(32, '\1');
  return header;
}

struct Sealed {
  PrivateKey key = PrivateKey::generate();
  Digest hash{};
  std::string bytes;
  std::vector<std::string> events;
};

Sealed sealed_batch(size_t count) {
  Sealed sealed;
  BatchBuilder builder(Lane::telemetry);
  std::mt19937 random(1);
  for (size_t i = 0; i < count; ++i) {
    sealed.events.push_back("event " + std::to_string(i) + std::string(random() % 300, 'x'));
    builder.add(sealed.events.back(), 1000 + i);
  }
  BatchHeader header = header_of(3);
  header.public_key = sealed.key.public_key().raw();
  sealed.bytes = builder.seal(header, sealed.key, sealed.hash);
  EXPECT_EQ(builder.count(), 0u);
  EXPECT_EQ(builder.payload_bytes(), 0u);
  return sealed;
}

TEST(Batch, OpensToWhatWasSealed) {
  for (const size_t count : {1u, 2u, 3u, 1000u}) {
    const Sealed sealed = sealed_batch(count);
    const auto batch = open_batch(sealed.bytes);
    ASSERT_TRUE(batch) << batch.error().message;
    EXPECT_EQ(batch->hash, sealed.hash);
    EXPECT_EQ(batch->payload_hash, sha256(batch->payload));
    EXPECT_EQ(batch_hash(batch->header_bytes, batch->payload_hash), sealed.hash);
    EXPECT_TRUE(verify_signature(*batch, sealed.key.public_key()));
    EXPECT_FALSE(verify_signature(*batch, PrivateKey::generate().public_key()));
    const BatchHeader& header = batch->header;
    const BatchHeader given = header_of(3);
    EXPECT_EQ(header.node, given.node);
    EXPECT_EQ(header.boot, given.boot);
    EXPECT_EQ(header.lane, given.lane);
    EXPECT_EQ(header.seq, 3u);
    EXPECT_EQ(header.previous, given.previous);
    EXPECT_EQ(header.count, count);
    EXPECT_EQ(header.first_time_ns, 1000u);
    EXPECT_EQ(header.last_time_ns, 1000u + count - 1);
    EXPECT_EQ(header.losses, given.losses);
    EXPECT_EQ(header.agent_version, given.agent_version);
    EXPECT_EQ(header.policy_digest, given.policy_digest);
    EXPECT_EQ(header.public_key, sealed.key.public_key().raw());
    EXPECT_GT(header.sealed_time_ns, 0u);
    EXPECT_FALSE(header.drop);
    const auto payload = open_payload(*batch);
    ASSERT_TRUE(payload) << payload.error().message;
    ASSERT_EQ(payload->events.size(), count);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(payload->events[i], sealed.events[i]);
  }
}

TEST(Batch, ADropStatementAndAHeartbeatCarryNoEvents) {
  const PrivateKey key = PrivateKey::generate();
  Digest hash;
  BatchHeader header = header_of(9);
  header.drop = Drop{4, 9, sha256("last"), 1234, "spool_full"};
  const std::string bytes = seal_empty(header, key, hash);
  const auto batch = open_batch(bytes);
  ASSERT_TRUE(batch) << batch.error().message;
  EXPECT_EQ(batch->hash, hash);
  EXPECT_TRUE(verify_signature(*batch, key.public_key()));
  ASSERT_TRUE(batch->header.drop);
  EXPECT_EQ(batch->header.drop->first, 4u);
  EXPECT_EQ(batch->header.drop->last, 9u);
  EXPECT_EQ(batch->header.drop->last_hash, sha256("last"));
  EXPECT_EQ(batch->header.drop->events, 1234u);
  EXPECT_EQ(batch->header.drop->cause, "spool_full");
  EXPECT_EQ(open_payload(*batch)->events.size(), 0u);
  header.drop.reset();
  EXPECT_TRUE(open_batch(seal_empty(header, key, hash)));
}

TEST(Batch, EveryFlippedBitIsNoticed) {
  const Sealed sealed = sealed_batch(3);
  for (size_t bit = 0; bit < sealed.bytes.size() * 8; ++bit) {
    std::string bytes = sealed.bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    const auto batch = open_batch(bytes);
    EXPECT_FALSE(batch && verify_signature(*batch, sealed.key.public_key())) << "bit " << bit;
  }
}

TEST(Batch, EveryCutIsNoticed) {
  const Sealed sealed = sealed_batch(3);
  for (size_t size = 0; size < sealed.bytes.size(); ++size)
    EXPECT_FALSE(open_batch(std::string_view(sealed.bytes).substr(0, size))) << size;
  EXPECT_THAT(open_batch(sealed.bytes + "x").error().message, HasSubstr("followed by more"));
}

TEST(Batch, HeadersOutOfBoundsAreRefusedByName) {
  const PrivateKey key = PrivateKey::generate();
  Digest hash;
  const auto refusal = [&](auto change) {
    BatchHeader header = header_of(9);
    change(header);
    const auto batch = open_batch(seal_empty(header, key, hash));
    return batch ? std::string("accepted") : batch.error().message;
  };
  EXPECT_EQ(refusal([](BatchHeader&) {}), "accepted");
  EXPECT_THAT(refusal([](BatchHeader& h) { h.node = "Web 1"; }), HasSubstr("node id"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.seq = 0; }), HasSubstr("seq"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.lane = static_cast<Lane>(3); }), HasSubstr("lane"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.agent_version = "a\x1b[2J"; }), HasSubstr("agent_version"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.losses[{"a b", "c"}] = 1; }), HasSubstr("losses"));
  EXPECT_THAT(refusal([](BatchHeader& h) {
                for (int i = 0; i < 300; ++i) h.losses[{std::to_string(i), ""}] = 1;
              }),
              HasSubstr("losses"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.policy_digest = std::string(65, 'a'); }), HasSubstr("policy_digest"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.public_key = "short"; }), HasSubstr("public_key"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.drop = Drop{5, 8, {}, 0, "spool_full"}; }), HasSubstr("drop"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.drop = Drop{10, 9, {}, 0, "spool_full"}; }), HasSubstr("drop"));
  EXPECT_THAT(refusal([](BatchHeader& h) { h.drop = Drop{0, 9, {}, 0, "spool_full"}; }), HasSubstr("drop"));
  EXPECT_THAT(open_batch(std::string(batch_max_bytes + 1, 'a')).error().message, HasSubstr("1 MiB"));
}

// A payload swapped under a header keeps the frame well formed: only payload_bytes, count and root can tell.
std::string with_payload(const OpenBatch& batch, std::string_view payload) {
  std::string bytes("\x0a", 1);
  const auto size = [&](size_t n) {
    for (; n >= 128; n >>= 7) bytes += static_cast<char>(n | 128);
    bytes += static_cast<char>(n);
  };
  size(batch.header_bytes.size());
  bytes.append(batch.header_bytes) += '\x12';
  size(payload.size());
  bytes.append(payload).append("\x1a\x40");
  return bytes.append(reinterpret_cast<const char*>(batch.signature.data()), batch.signature.size());
}

std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1));
  return out;
}

TEST(Batch, APayloadThatDoesNotFitItsHeaderIsRefusedBeforeItIsUnpacked) {
  const Sealed sealed = sealed_batch(3);
  const OpenBatch batch = open_batch(sealed.bytes).value();
  const size_t size = batch.header.payload_bytes;
  const auto refusal = [&](std::string_view payload) {
    const std::string bytes = with_payload(batch, payload);
    const auto changed = open_batch(bytes);
    if (!changed) return changed.error().message;
    EXPECT_FALSE(verify_signature(*changed, sealed.key.public_key()));
    const auto opened = open_payload(*changed);
    return opened ? std::string("accepted") : opened.error().message;
  };
  EXPECT_THAT(refusal("not zstd"), HasSubstr("payload_bytes"));
  EXPECT_THAT(refusal(zstd(std::string(7u << 20, 'a'))), HasSubstr("payload_bytes"));
  EXPECT_THAT(refusal(zstd(std::string(size, '\xff'))), HasSubstr("is cut after event 0"));
  EXPECT_THAT(refusal(std::string(batch.payload) + std::string(batch.payload)), HasSubstr("one zstd frame"));
  std::string many;
  while (many.size() < size) many.append("\x0a\x00", 2);
  if (many.size() > size) many.replace(many.size() - 4, 4, std::string("\x0a\x01x", 3));
  EXPECT_THAT(refusal(zstd(many)), HasSubstr("more events than count"));
  std::string one(size, 'a');
  one[0] = '\x0a';
  one[1] = static_cast<char>((size - 3) | 128);
  one[2] = static_cast<char>((size - 3) >> 7);
  EXPECT_THAT(refusal(zstd(one)), HasSubstr("fewer events than count"));
}

TEST(Batch, ChangedEventsDoNotFitTheMerkleRoot) {
  const Sealed sealed = sealed_batch(3);
  const OpenBatch batch = open_batch(sealed.bytes).value();
  std::string payload = open_payload(batch)->bytes;
  payload.back() = '!';
  const std::string bytes = with_payload(batch, zstd(payload));
  EXPECT_THAT(open_payload(open_batch(bytes).value()).error().message, HasSubstr("merkle_root"));
}

TEST(Sha256Pair, GivesWhatOneByOneGives) {
  std::mt19937 random(3);
  std::string bytes(3000, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  const std::string_view all = bytes;
  // Every length around the ends of blocks and of padding, each with one of any other length.
  for (size_t size = 0; size < 1100; ++size) {
    const std::string_view first = all.substr(random() % 100, size);
    const std::string_view second = all.substr(random() % 100, random() % (size % 3 == 0 ? 2000 : 200));
    for (const char prefix : {'\0', '\1', '\xff'}) {
      Digest of_first, of_second;
      sha256_pair(prefix, first, second, of_first, of_second);
      ASSERT_EQ(of_first, sha256(std::string(1, prefix).append(first))) << size;
      ASSERT_EQ(of_second, sha256(std::string(1, prefix).append(second))) << second.size();
    }
  }
}

TEST(Merkle, FitsRfc9162sShape) {
  std::vector<Digest> d;
  for (int i = 0; i < 7; ++i) d.push_back(merkle_leaf("d" + std::to_string(i)));
  const auto node = [](const Digest& a, const Digest& b) {
    return sha256(std::string("\1").append(as_bytes(a)).append(as_bytes(b)));
  };
  EXPECT_EQ(d[0], sha256(std::string("\0d0", 3)));
  // The example of section 2.1.5.
  const Digest k = node(node(node(d[0], d[1]), node(d[2], d[3])), node(node(d[4], d[5]), d[6]));
  EXPECT_EQ(merkle_root(d), k);
  EXPECT_EQ(merkle_root({}), Digest{});
  EXPECT_EQ(merkle_root({d[0]}), d[0]);
}

TEST(Merkle, EveryLeafIsProvenInItsPlaceOnly) {
  for (size_t count = 1; count <= 33; ++count) {
    std::vector<Digest> leaves;
    for (size_t i = 0; i < count; ++i) leaves.push_back(merkle_leaf(std::to_string(i)));
    const Digest root = merkle_root(leaves);
    for (size_t i = 0; i < count; ++i) {
      auto proof = merkle_proof(leaves, i);
      EXPECT_TRUE(merkle_verify(leaves[i], i, count, proof, root)) << i << " of " << count;
      for (size_t j = 0; j < count + 2; ++j) {
        if (j == i) continue;

        EXPECT_FALSE(merkle_verify(leaves[i], j, count, proof, root)) << i << " as " << j << " of " << count;
      }
      EXPECT_FALSE(merkle_verify(merkle_leaf("other"), i, count, proof, root));
      if (!proof.empty()) {
        auto changed = proof;
        changed[0][0] ^= 1;
        EXPECT_FALSE(merkle_verify(leaves[i], i, count, changed, root));
        changed = proof;
        changed.pop_back();
        EXPECT_FALSE(merkle_verify(leaves[i], i, count, changed, root));
      }
      proof.push_back(root);
      EXPECT_FALSE(merkle_verify(leaves[i], i, count, proof, root));
    }
  }
}

AckBody ack_body() {
  AckBody body;
  body.node = "web-1";
  body.boot.fill(3);
  body.lane = Lane::alerts;
  body.seq = 77;
  body.hash = sha256("hash");
  body.collector = "collector";
  body.time_ns = 5;
  body.verdict = Verdict::gap;
  return body;
}

TEST(Ack, OpensToWhatWasSealed) {
  const PrivateKey key = PrivateKey::generate();
  const auto ack = open_ack(seal_ack(ack_body(), key), key.public_key());
  ASSERT_TRUE(ack) << ack.error().message;
  EXPECT_EQ(ack->node, "web-1");
  EXPECT_EQ(ack->boot, ack_body().boot);
  EXPECT_EQ(ack->lane, Lane::alerts);
  EXPECT_EQ(ack->seq, 77u);
  EXPECT_EQ(ack->hash, sha256("hash"));
  EXPECT_EQ(ack->collector, "collector");
  EXPECT_EQ(ack->time_ns, 5u);
  EXPECT_EQ(ack->verdict, Verdict::gap);
}

TEST(Ack, AnyChangeOrOtherKeyIsRefused) {
  const PrivateKey key = PrivateKey::generate();
  const std::string good = seal_ack(ack_body(), key);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(open_ack(bytes, key.public_key())) << bit;
  }
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(open_ack(good.substr(0, size), key.public_key()));
  EXPECT_THAT(open_ack(good, PrivateKey::generate().public_key()).error().message, HasSubstr("does not fit"));
  EXPECT_FALSE(open_ack(good + "x", key.public_key()));
  EXPECT_FALSE(open_ack(std::string(5000, 'a'), key.public_key()));
}

TEST(Lanes, HaveNames) {
  EXPECT_EQ(lane_named("alerts"), Lane::alerts);
  EXPECT_EQ(lane_named("telemetry"), Lane::telemetry);
  EXPECT_FALSE(lane_named("Alerts"));
  EXPECT_EQ(lane_name(Lane::telemetry), "telemetry");
  EXPECT_EQ(verdict_name(Verdict::rolled_back), "rolled_back");
}

}  // namespace
}  // namespace shrike
