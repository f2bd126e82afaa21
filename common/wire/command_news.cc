#include "common/wire/command_news.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"

namespace shrike {
namespace {
using Json = nlohmann::ordered_json;

constexpr size_t text_max_bytes = 16u << 10;
constexpr std::array states = std::to_array<std::pair<CommandState, std::string_view>>({
    {CommandState::incomplete, "incomplete"},
    {CommandState::accepted, "accepted"},
    {CommandState::started, "started"},
    {CommandState::done, "done"},
    {CommandState::failed, "failed"},
    {CommandState::refused, "refused"},
});

Error bad(std::string_view what) { return Error{"news of a command: " + std::string(what)}; }

std::optional<std::string> text_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  if (at == json.end() || !at->is_string()) return std::nullopt;
  return at->get<std::string>();
}

Result<std::vector<std::pair<uint32_t, uint32_t>>> ranges_of(const Json& json) {
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  const auto at = json.find("missing");
  if (at == json.end() || !at->is_array() || at->size() > command_ranges_max)
    return bad("missing is no list of 128 ranges at most");
  for (const Json& range : *at) {
    const bool pair = range.is_array() && range.size() == 2 && range[0].is_number_unsigned() &&
                      range[1].is_number_unsigned() && range[0].get<uint64_t>() <= range[1].get<uint64_t>() &&
                      range[1].get<uint64_t>() < command_body_max_bytes / command_part_bytes;
    if (!pair) return bad("missing holds something that is no range of parts");
    ranges.emplace_back(range[0].get<uint32_t>(), range[1].get<uint32_t>());
  }
  return ranges;
}
}  // namespace

std::string_view command_state_name(CommandState state) {
  const auto* at = std::find_if(states.begin(), states.end(), [&](const auto& one) { return one.first == state; });
  return at == states.end() ? "unknown" : at->second;
}

std::optional<CommandState> command_state_named(std::string_view name) {
  const auto* at = std::find_if(states.begin(), states.end(), [&](const auto& one) { return one.second == name; });
  if (at == states.end()) return std::nullopt;
  return at->first;
}

std::string command_news_to_json(const CommandNews& news) {
  Json missing = Json::array();
  for (const auto& [first, last] : news.missing) missing.push_back({first, last});
  const Json json = {{"id", news.id},
                     {"digest", hex(as_bytes(news.digest))},
                     {"command", command_kind_name(news.kind)},
                     {"state", command_state_name(news.state)},
                     {"reason", news.reason.substr(0, command_reason_max_bytes)},
                     {"missing", std::move(missing)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<CommandNews> command_news_from_json(std::string_view text) {
  if (text.size() > text_max_bytes) return bad("larger than 16 KiB");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("not a JSON object");
  CommandNews news;
  const auto id = text_of(json, "id");
  if (!id) return bad("id is missing");
  if (auto good = check_command_id(*id); !good) return bad(good.error().message);
  news.id = *id;
  const auto digest = unhex(text_of(json, "digest").value_or(""));
  if (!digest || digest->size() != news.digest.size()) return bad("digest is not 64 hexadecimal digits");
  std::copy(digest->begin(), digest->end(), news.digest.begin());
  const auto kind = command_kind_named(text_of(json, "command").value_or(""));
  if (!kind) return bad("command is no kind of command");
  news.kind = *kind;
  const auto state = command_state_named(text_of(json, "state").value_or(""));
  if (!state) return bad("state is none");
  news.state = *state;
  news.reason = text_of(json, "reason").value_or("").substr(0, command_reason_max_bytes);
  news.missing = TRY(ranges_of(json));
  return news;
}

}  // namespace shrike
