#pragma once
// JSON of others, read with bounds.

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace shrike::enrich {

using nlohmann::json;

/// Parses an object and keeps only these of its members, at most 12 deep and 20,000 values. Discarded
/// (`is_discarded()`, no object) when it is not JSON.
json parse_members(std::string_view text, std::initializer_list<std::string_view> wanted);
/// Parses an array of objects and keeps those whose member "id" is `id`.
json parse_records(std::string_view text, std::string_view id);

/// The member of an object; null when there is none or `from` is no object.
const json& at(const json& from, std::string_view key);

/// Gives out text until the budget of one container is used up.
class TextBudget {
 public:
  explicit TextBudget(size_t bytes) : left_(bytes) {}
  /// The text of a string, cut between characters to what is left and to `most`; empty of anything else.
  std::string text(const json& value, size_t most = 512);
  std::string text(std::string_view value, size_t most = 512);

 private:
  size_t left_;
};

/// "2026-11-20T08:39:00.5Z" (any offset) as nanoseconds since 1970; 0 when it is no time since then.
uint64_t time_of(std::string_view rfc3339);

}  // namespace shrike::enrich
