#pragma once
// What became of a command, as the agent tells it in an event of kind `command`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/wire/command.h"

namespace shrike {

enum class CommandState : uint8_t {
  incomplete = 1,  ///< parts are missing: `missing` asks for them
  accepted = 2,    ///< it is on the node's disk, and will be carried out once
  started = 3,     ///< it is being carried out
  done = 4,        ///< it was carried out
  failed = 5,      ///< it was begun and not ended, or could not be carried out
  refused = 6,     ///< it is not obeyed
};
std::string_view command_state_name(CommandState state);
std::optional<CommandState> command_state_named(std::string_view name);
/// Whether nothing comes after it.
inline constexpr bool is_final(CommandState state) { return state >= CommandState::done; }

struct CommandNews {
  std::string id;
  Digest digest{};  ///< of the header, as OpenCommand has it: another command with this id is not meant
  CommandKind kind = CommandKind::detonate;
  CommandState state = CommandState::refused;
  std::string reason;                                  ///< a sentence; empty where all went well
  std::vector<std::pair<uint32_t, uint32_t>> missing;  ///< first and last of each range of parts

  bool operator==(const CommandNews&) const = default;
};
inline constexpr size_t command_reason_max_bytes = 1024;
inline constexpr size_t command_ranges_max = 128;

/// One JSON object without a newline.
std::string command_news_to_json(const CommandNews& news);
/// The reverse. Errors: not JSON; a key missing, of a wrong type or out of bounds, named.
Result<CommandNews> command_news_from_json(std::string_view text);

}  // namespace shrike
