// Threat model: a batch comes from the network, or from a collector's or an agent's disk. Whoever sent it may hold no
// key (anything on the wire) or a node's own key (a taken-over host), so framing, header and payload are hostile even
// when the signature fits. Opening must stay inside the bytes, allocate no more than the bounds of batch.h, and never
// abort.
// link: shrike_wire

#include <cstdlib>

#include "common/wire/batch.h"
#include "common/wire/chain.h"
#include "common/wire/subjects.h"

namespace {
class NoHistory : public shrike::ChainHistory {
 public:
  [[nodiscard]] std::optional<shrike::Digest> hash_of(const shrike::BootId&, uint64_t) const override { return {}; }
  [[nodiscard]] bool covered(const shrike::BootId&, uint64_t) const override { return false; }
  [[nodiscard]] bool knows(const shrike::BootId&) const override { return false; }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(shrike::open_header(bytes));
  static_cast<void>(shrike::parse_batch_subject(bytes));
  const auto batch = shrike::open_batch(bytes);
  if (!batch) return 0;
  if (batch->payload.size() > size || batch->header_bytes.size() > size) std::abort();
  shrike::ChainHead head;
  NoHistory history;
  static_cast<void>(shrike::judge(*batch, head, history));
  static_cast<void>(shrike::judge(*batch, head, history));
  const auto payload = shrike::open_payload(*batch);
  if (!payload) return 0;
  if (payload->events.size() != batch->header.count) std::abort();
  return 0;
}
