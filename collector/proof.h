#pragma once
// One event with everything that proves it, as one JSON object: `GET /v1/proof` makes it, `shrike verify --file` checks
// it.
//
// {"shrike_proof": 1, "node", "boot", "lane", "seq", "index", "count", "key", "header", "payload_hash", "signature",
//  "event", "path": [...], "decoded": {...}}    bytes in hexadecimal; `decoded` is for people and proves nothing

#include <cstdint>
#include <string>
#include <string_view>

#include "common/wire/batch.h"

namespace shrike::collector {

/// Errors: not a batch; no event of that index.
Result<std::string> make_proof(std::string_view batch, uint32_t index, const PublicKey& key);

struct CheckedProof {
  std::string node;
  BootId boot{};
  Lane lane = Lane::telemetry;
  uint64_t seq = 0;
  uint32_t index = 0;
  uint64_t sealed_time_ns = 0;
  PublicKey key;  ///< the one in the proof; whether it is the node's is the caller's question
  bool proven = false;
  std::string reason;  ///< why not
  std::string event;   ///< as JSON, decoded from the proven bytes
};
/// Errors: not a proof (which key is missing or wrong). A proof that does not hold is a value with proven == false.
Result<CheckedProof> check_proof(std::string_view json);

}  // namespace shrike::collector
