// Threat model: anybody who may publish to an agent's cmd subject (nats-server itself, or who has taken it). Without
// the collector's key nothing may get through. With it, which no attacker has (the fuzzer signs its input as a header),
// what comes out is still bounded: sizes, id and node fit for a file's name, parts as many as the body has. The body of
// a command is a bundle, read in the same run: its files lie inside it. link: shrike_wire

#include <cstdlib>

#include "common/wire/bundle.h"
#include "common/wire/command.h"
#include "common/wire/protobuf.h"

namespace {
std::string signed_header(std::string_view header, const shrike::PrivateKey& key) {
  const shrike::Signature signature = key.sign(std::string("shrike command v1\0", 18).append(header));
  std::string bytes(header.size() + signature.size() + 64, '\0');
  char* at = shrike::proto::put_bytes(bytes.data(), 1, header);
  at = shrike::proto::put_bytes(at, 2, {reinterpret_cast<const char*>(signature.data()), signature.size()});
  bytes.resize(static_cast<size_t>(at - bytes.data()));
  return bytes;
}

void check(const shrike::OpenCommand& command) {
  const auto& header = command.header;
  if (header.node.size() > 63 || header.id.size() > 64 || header.id.find('/') != std::string::npos) std::abort();
  if (header.body_bytes > shrike::command_body_max_bytes || header.parts.size() > 128) std::abort();
  if (command.part && command.part->bytes.size() > shrike::command_part_bytes) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const shrike::PrivateKey key = shrike::PrivateKey::generate();
  static const shrike::PublicKey public_key = key.public_key();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (shrike::open_command(bytes, public_key)) std::abort();  // nobody can know a key made a moment ago

  const std::string sealed = signed_header(bytes, key);
  if (const auto command = shrike::open_command(sealed, public_key)) check(*command);
  // The same header with a part that the input's tail plays.
  const std::string_view tail = bytes.substr(size / 2);
  if (const auto command = shrike::open_command(shrike::command_message(sealed, 0, tail), public_key)) check(*command);

  if (const auto bundle = shrike::open_bundle(bytes, size))
    for (const auto& file : bundle->files)
      if (file.offset + file.size > size) std::abort();
  return 0;
}
