// Threat model: anybody who may publish to an agent's ack subject. Without the collector's key nothing may get through;
// with it (the fuzzer signs its input as a body) the body is still bounded and checked.
// link: shrike_wire

#include <cstdlib>

#include "common/wire/batch.h"
#include "common/wire/protobuf.h"

namespace {
// Built as seal_ack builds it, over a body that is not one.
std::string signed_body(std::string_view body, const shrike::PrivateKey& key) {
  const shrike::Signature signature = key.sign(std::string("shrike ack v1\0", 14).append(body));
  std::string bytes(body.size() + signature.size() + 64, '\0');
  char* at = shrike::proto::put_bytes(bytes.data(), 1, body);
  at = shrike::proto::put_bytes(at, 2, {reinterpret_cast<const char*>(signature.data()), signature.size()});
  bytes.resize(static_cast<size_t>(at - bytes.data()));
  return bytes;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const shrike::PrivateKey key = shrike::PrivateKey::generate();
  static const shrike::PublicKey public_key = key.public_key();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (shrike::open_ack(bytes, public_key)) std::abort();  // nobody can know a key made a moment ago
  const auto ack = shrike::open_ack(signed_body(bytes, key), public_key);
  if (ack && (ack->node.size() > 63 || ack->collector.size() > 64)) std::abort();
  return 0;
}
