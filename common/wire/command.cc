#include "common/wire/command.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "common/wire/command.pb.h"
#include "common/wire/protobuf.h"
#include "common/wire/subjects.h"

namespace shrike {
namespace {
using namespace std::string_view_literals;
constexpr std::string_view domain = "shrike command v1\0"sv;
constexpr uint32_t wire_version = 1;
constexpr size_t header_max_bytes = 8u << 10;
constexpr size_t id_max_bytes = 64;
constexpr size_t index_bytes = 4;

Error bad(std::string_view what) { return Error{"command: " + std::string(what)}; }

size_t parts_of(uint64_t body_bytes) {
  return static_cast<size_t>((body_bytes + command_part_bytes - 1) / command_part_bytes);
}

std::string header_bytes(const CommandHeader& header) {
  wire::CommandHeader message;
  message.set_version(wire_version);
  message.set_node(header.node);
  message.set_id(header.id);
  message.set_issued_ns(header.issued_ns);
  message.set_expires_ns(header.expires_ns);
  message.set_kind(static_cast<uint32_t>(header.kind));
  message.set_collector(header.collector);
  message.set_body_bytes(header.body_bytes);
  for (const Digest& part : header.parts) message.add_parts(std::string(as_bytes(part)));
  return message.SerializeAsString();
}

Result<CommandHeader> header_from(std::string_view bytes) {
  if (bytes.size() > header_max_bytes) return bad("header is larger than 8 KiB");
  wire::CommandHeader message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return bad("header is not Protobuf");
  if (message.version() != wire_version)
    return bad("version " + std::to_string(message.version()) + " is not known; known is 1");
  if (message.kind() < 1 || message.kind() > 2)
    return bad("kind " + std::to_string(message.kind()) + " is not known; known are 1 (detonate) and 2 (profile)");
  CommandHeader header;
  header.node = message.node();
  header.id = message.id();
  header.issued_ns = message.issued_ns();
  header.expires_ns = message.expires_ns();
  header.kind = static_cast<CommandKind>(message.kind());
  header.collector = message.collector();
  header.body_bytes = message.body_bytes();
  for (const std::string& part : message.parts())
    if (!copy_into(part, header.parts.emplace_back())) return bad("a part's hash is not 32 bytes");
  TRY_VOID(check_command(header));
  return header;
}

Result<OpenCommand::Part> open_part(const CommandHeader& header, std::string_view bytes) {
  if (bytes.size() < index_bytes) return bad("part is cut");
  OpenCommand::Part part{load_le<uint32_t>(bytes.data()), bytes.substr(index_bytes)};
  const std::string which = "part " + std::to_string(part.index);
  if (part.index >= header.parts.size())
    return bad(which + " is not one of its " + std::to_string(header.parts.size()));
  if (part.bytes.size() != header.part_size(part.index))
    return bad(which + " has " + std::to_string(part.bytes.size()) + " bytes instead of " +
               std::to_string(header.part_size(part.index)));
  if (sha256(part.bytes) != header.parts[part.index]) return bad(which + " is not the one that was signed");
  return part;
}
}  // namespace

std::string_view command_kind_name(CommandKind kind) { return kind == CommandKind::profile ? "profile" : "detonate"; }

std::optional<CommandKind> command_kind_named(std::string_view name) {
  if (name == "detonate") return CommandKind::detonate;
  if (name == "profile") return CommandKind::profile;
  return std::nullopt;
}

Result<void> check_command_id(std::string_view id) {
  if (id.empty() || id.size() > id_max_bytes)
    return Error{"id of " + std::to_string(id.size()) + " characters, allowed are 1 to 64"};
  if (id.front() == '.') return Error{"id: must not begin with a dot"};
  for (size_t i = 0; i < id.size(); ++i) {
    const char c = id[i];
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!plain) return Error{"id: character " + std::to_string(i + 1) + " is not one of A-Z, a-z, 0-9, '.', '_', '-'"};
  }
  return {};
}

size_t CommandHeader::part_size(size_t index) const {
  const uint64_t before = static_cast<uint64_t>(index) * command_part_bytes;
  return static_cast<size_t>(
      std::min<uint64_t>(body_bytes - std::min<uint64_t>(before, body_bytes), command_part_bytes));
}

void describe_body(CommandHeader& header, std::string_view body) {
  header.body_bytes = body.size();
  header.parts.clear();
  for (size_t at = 0; at < body.size(); at += command_part_bytes)
    header.parts.push_back(sha256(body.substr(at, command_part_bytes)));
}

Result<void> check_command(const CommandHeader& header) {
  if (auto node = check_node_id(header.node); !node) return node.error().in("command");
  if (auto id = check_command_id(header.id); !id) return id.error().in("command");
  if (header.collector.size() > id_max_bytes) return bad("collector is over 64 bytes");
  if (header.expires_ns <= header.issued_ns) return bad("it expires before it is issued");
  if (header.expires_ns - header.issued_ns > command_life_max_ns) return bad("it is valid for more than 7 days");
  if (header.body_bytes > command_body_max_bytes) return bad("body is over 64 MiB");
  if (header.parts.size() != parts_of(header.body_bytes)) return bad("parts do not fit the body's size");
  return {};
}

std::string seal_command(const CommandHeader& header, const PrivateKey& key) {
  const std::string bytes = header_bytes(header);
  const Signature signature = key.sign(std::string(domain).append(bytes));
  std::string sealed(proto::bytes_room(bytes.size()) + proto::bytes_room(signature.size()), '\0');
  char* at = proto::put_bytes(sealed.data(), 1, bytes);
  at = proto::put_bytes(at, 2, as_bytes(signature));
  sealed.resize(static_cast<size_t>(at - sealed.data()));
  return sealed;
}

std::string command_message(std::string_view sealed, uint32_t index, std::string_view part) {
  std::string numbered(index_bytes, '\0');
  store_le(numbered.data(), index);
  numbered.append(part);
  std::string message(sealed);
  const size_t before = message.size();
  message.resize(before + proto::bytes_room(numbered.size()));
  const char* end = proto::put_bytes(message.data() + before, 3, numbered);
  message.resize(static_cast<size_t>(end - message.data()));
  return message;
}

Result<OpenCommand> open_command(std::string_view bytes, const PublicKey& collector) {
  if (bytes.size() > command_message_max_bytes) return bad("message is too large");
  std::string_view rest = bytes;
  const auto header = proto::take_bytes(rest, 1);
  const auto signed_by = proto::take_bytes(rest, 2);
  Signature signature;
  if (!header || !signed_by || !copy_into(*signed_by, signature)) return bad("not a header and a signature");
  if (!collector.verify(std::string(domain).append(*header), signature))
    return bad("signature does not fit the collector's key");
  OpenCommand command;
  command.header = TRY(header_from(*header));
  command.digest = sha256(*header);
  if (rest.empty()) return command;
  const auto part = proto::take_bytes(rest, 3);
  if (!part || !rest.empty()) return bad("part is cut, or followed by more bytes");
  command.part = TRY(open_part(command.header, *part));
  return command;
}

}  // namespace shrike
