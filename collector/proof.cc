#include "collector/proof.h"

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/wire/codec.h"

namespace shrike::collector {
namespace {

using nlohmann::json;

std::string_view view(const BootId& boot) { return {reinterpret_cast<const char*>(boot.data()), boot.size()}; }

Result<std::string> bytes_of(const json& object, const char* key, size_t limit, size_t exact = 0) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return Error{std::string("not a proof: no text \"") + key + "\""};
  auto bytes = unhex(found->get_ref<const std::string&>());
  if (!bytes) return bytes.error().in(std::string("not a proof: \"") + key + "\"");
  if (bytes->size() > limit || (exact != 0 && bytes->size() != exact))
    return Error{std::string("not a proof: \"") + key + "\" has " + std::to_string(bytes->size()) + " bytes"};
  return std::move(bytes).value();
}

template <class Array>
Array array_of(const std::string& bytes) {
  Array out{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), reinterpret_cast<char*>(out.data()));
  return out;
}

}  // namespace

Result<std::string> make_proof(std::string_view bytes, uint32_t index, const PublicKey& key) {
  const OpenBatch batch = TRY(open_batch(bytes));
  const OpenPayload payload = TRY(open_payload(batch));
  const BatchHeader& header = batch.header;
  if (index >= payload.events.size())
    return Error{"index " + std::to_string(index) + ": that batch has " + std::to_string(payload.events.size()) +
                 " events"};
  std::vector<Digest> leaves;
  leaves.reserve(payload.events.size());
  for (const std::string_view event : payload.events) leaves.push_back(merkle_leaf(event));
  json path = json::array();
  for (const Digest& digest : merkle_proof(leaves, index)) path.push_back(hex(as_bytes(digest)));
  auto decoded = event_to_json(payload.events[index]);
  const nlohmann::ordered_json proof = {
      {"shrike_proof", 1},
      {"node", header.node},
      {"boot", hex(view(header.boot))},
      {"lane", lane_name(header.lane)},
      {"seq", header.seq},
      {"index", index},
      {"count", header.count},
      {"key", key.to_hex()},
      {"header", hex(batch.header_bytes)},
      {"payload_hash", hex(as_bytes(batch.payload_hash))},
      {"signature", hex({reinterpret_cast<const char*>(batch.signature.data()), batch.signature.size()})},
      {"event", hex(payload.events[index])},
      {"path", path},
      {"decoded", decoded ? json::parse(*decoded, nullptr, false) : json()}};
  return proof.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<CheckedProof> check_proof(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Error{"not a proof: not a JSON object"};
  const auto version = object.find("shrike_proof");
  if (version == object.end() || *version != 1) return Error{"not a proof: \"shrike_proof\" is not 1"};
  const auto index = object.find("index");
  if (index == object.end() || !index->is_number_unsigned() || index->get<uint64_t>() >= batch_max_events)
    return Error{"not a proof: no number \"index\""};
  const std::string key = TRY(bytes_of(object, "key", 32, 32));
  const std::string header_bytes = TRY(bytes_of(object, "header", batch_max_bytes));
  const std::string payload_hash = TRY(bytes_of(object, "payload_hash", 32, 32));
  const std::string signature = TRY(bytes_of(object, "signature", 64, 64));
  const std::string event = TRY(bytes_of(object, "event", payload_max_bytes));
  const auto path = object.find("path");
  if (path == object.end() || !path->is_array() || path->size() > 32) return Error{"not a proof: no list \"path\""};
  std::vector<Digest> digests;
  for (const json& one : *path) {
    const std::string bytes = TRY(bytes_of(json{{"path", one}}, "path", 32, 32));
    digests.push_back(array_of<Digest>(bytes));
  }

  CheckedProof proof;
  proof.key = TRY(PublicKey::from_raw(key));
  proof.index = index->get<uint32_t>();
  const BatchHeader header = TRY(open_header(header_bytes));
  proof.node = header.node;
  proof.boot = header.boot;
  proof.lane = header.lane;
  proof.seq = header.seq;
  proof.sealed_time_ns = header.sealed_time_ns;
  const Digest hash = batch_hash(header_bytes, array_of<Digest>(payload_hash));
  if (!verify_signature(hash, array_of<Signature>(signature), proof.key)) {
    proof.reason = "the signature does not fit header, payload hash and key";
  } else if (!merkle_verify(merkle_leaf(event), proof.index, header.count, digests, header.merkle_root)) {
    proof.reason = "the event is not the one with index " + std::to_string(proof.index) + " of the signed batch";
  } else if (auto decoded = event_to_json(event); !decoded) {
    proof.reason = "signed, but no event: " + decoded.error().message;
  } else {
    proof.event = std::move(decoded).value();
    proof.proven = true;
  }
  return proof;
}

}  // namespace shrike::collector
