#include "common/base/bytes.h"
#include "common/wire/batch.h"
#include "common/wire/batch.pb.h"
#include "common/wire/protobuf.h"
#include "common/wire/subjects.h"

namespace shrike {
namespace {
using namespace std::string_view_literals;
constexpr std::string_view domain = "shrike ack v1\0"sv;
constexpr size_t ack_max_bytes = 4096;

Error bad(std::string_view what) { return Error{"acknowledgement: " + std::string(what)}; }
}  // namespace

std::string seal_ack(const AckBody& body, const PrivateKey& key) {
  wire::AckBody message;
  message.set_version(1);
  message.set_node(body.node);
  message.set_boot(body.boot.data(), body.boot.size());
  message.set_lane(static_cast<uint32_t>(body.lane));
  message.set_seq(body.seq);
  message.set_hash(body.hash.data(), body.hash.size());
  message.set_collector(body.collector);
  message.set_time_ns(body.time_ns);
  message.set_verdict(static_cast<uint32_t>(body.verdict));
  const std::string bytes = message.SerializeAsString();
  const Signature signature = key.sign(std::string(domain).append(bytes));
  std::string ack(proto::bytes_room(bytes.size()) + proto::bytes_room(signature.size()), '\0');
  char* at = proto::put_bytes(ack.data(), 1, bytes);
  at = proto::put_bytes(at, 2, {reinterpret_cast<const char*>(signature.data()), signature.size()});
  ack.resize(static_cast<size_t>(at - ack.data()));
  return ack;
}

Result<AckBody> open_ack(std::string_view bytes, const PublicKey& collector) {
  if (bytes.size() > ack_max_bytes) return bad("larger than 4 KiB");
  std::string_view rest = bytes;
  const auto body = proto::take_bytes(rest, 1);
  const auto signed_by = proto::take_bytes(rest, 2);
  Signature signature;
  if (!body || !signed_by || !rest.empty() || !copy_into(*signed_by, signature))
    return bad("not a body and a signature");
  if (!collector.verify(std::string(domain).append(*body), signature))
    return bad("signature does not fit the collector's key");
  wire::AckBody message;
  if (!message.ParseFromArray(body->data(), static_cast<int>(body->size()))) return bad("body is not Protobuf");
  AckBody ack;
  if (message.version() != 1) return bad("version is not known");
  if (auto node = check_node_id(message.node()); !node) return node.error().in("acknowledgement");
  ack.node = message.node();
  if (!copy_into(message.boot(), ack.boot)) return bad("boot is not 16 bytes");
  if (message.lane() != 1 && message.lane() != 2) return bad("lane is neither 1 nor 2");
  ack.lane = static_cast<Lane>(message.lane());
  ack.seq = message.seq();
  if (!copy_into(message.hash(), ack.hash)) return bad("hash is not 32 bytes");
  if (message.collector().size() > 64) return bad("collector is over 64 bytes");
  ack.collector = message.collector();
  ack.time_ns = message.time_ns();
  if (message.verdict() < 1 || message.verdict() > 7) return bad("verdict is not known");
  ack.verdict = static_cast<Verdict>(message.verdict());
  return ack;
}

}  // namespace shrike
