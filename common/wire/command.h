#pragma once
// Orders from the collector to one agent: signed, in parts where the body is large, obeyed once.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/keys.h"

namespace shrike {

/// Values are part of the wire.
enum class CommandKind : uint8_t {
  detonate = 1,  ///< run a program in a sandbox; body: a bundle (bundle.h), its text the job's JSON
  profile = 2,   ///< take over a merged sequence profile; body: as encode_profiles() makes it
};
std::string_view command_kind_name(CommandKind kind);
std::optional<CommandKind> command_kind_named(std::string_view name);

inline constexpr size_t command_part_bytes = 512u << 10;
inline constexpr size_t command_body_max_bytes = 64u << 20;
inline constexpr size_t command_message_max_bytes = command_part_bytes + (16u << 10);
/// How long a command may be valid: an agent has to remember ids for so long.
inline constexpr uint64_t command_life_max_ns = 7ull * 86'400 * 1'000'000'000;

/// 1 to 64 of [A-Za-z0-9._-], not beginning with a dot: also a file's name. Errors: which rule is broken.
Result<void> check_command_id(std::string_view id);

struct CommandHeader {
  std::string node;
  std::string id;
  uint64_t issued_ns = 0;   ///< wall clock
  uint64_t expires_ns = 0;  ///< wall clock
  CommandKind kind = CommandKind::detonate;
  std::string collector;
  uint64_t body_bytes = 0;
  std::vector<Digest> parts;  ///< of the body; as many as it has

  bool operator==(const CommandHeader&) const = default;
  /// Bytes of part `index`.
  [[nodiscard]] size_t part_size(size_t index) const;
};

/// Cuts `body` into parts and fills body_bytes and parts.
void describe_body(CommandHeader& header, std::string_view body);
/// Bounds that hold on both ends. Errors: the field that breaks one.
Result<void> check_command(const CommandHeader& header);

/// Header and signature as they go in front of every part. The caller has checked the header.
std::string seal_command(const CommandHeader& header, const PrivateKey& key);
/// An offer: a message without a part.
inline std::string command_offer(std::string_view sealed) { return std::string(sealed); }
/// One part of the body as a message.
std::string command_message(std::string_view sealed, uint32_t index, std::string_view part);

struct OpenCommand {
  struct Part {
    uint32_t index = 0;
    std::string_view bytes;
  };
  CommandHeader header;
  Digest digest{};           ///< of the header as sent: tells two commands with one id apart
  std::optional<Part> part;  ///< what its hash in the header says; a view into the message
};
/// Checks signature, bounds and the part's hash. Errors: what does not hold; nothing unsigned is in them but sizes.
Result<OpenCommand> open_command(std::string_view bytes, const PublicKey& collector);

}  // namespace shrike
