#pragma once
// Reads one JSON object strictly: each key asked for must be there, of its type and within its bounds. The first thing
// that is wrong is kept; what is asked after it does nothing.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike::sandbox {

class JsonObject {
 public:
  /// `where` begins every error: "job", "report: artefacts[3]".
  JsonObject(const nlohmann::json& value, std::string where);

  void text(const char* key, std::string& out, size_t most);
  void number(const char* key, uint64_t& out, uint64_t most = UINT64_MAX);
  void integer(const char* key, int& out);
  void real(const char* key, double& out);
  void boolean(const char* key, bool& out);
  /// Text, or {"hex": "..."} where it is no UTF-8 (json_bytes).
  void bytes(const char* key, std::string& out, size_t most);
  template <class T>
  void small(const char* key, T& out, uint64_t most) {
    uint64_t value = 0;
    number(key, value, most);
    if (!error_) out = static_cast<T>(value);
  }
  /// One of `names`, by its place in them.
  template <class Enum>
  void name(const char* key, Enum& out, std::initializer_list<std::string_view> names) {
    std::string text_value;
    text(key, text_value, 64);
    if (error_) return;
    int place = 0;
    for (const auto candidate : names) {
      if (candidate == text_value) {
        out = static_cast<Enum>(place);
        return;
      }
      ++place;
    }
    fail(key, "is not one of those there are");
  }
  /// Each entry of an array: `each(entry, "where[index]")` returns Result<void>.
  template <class Each>
  void list(const char* key, size_t most, Each each) {
    const nlohmann::json* array = find(key);
    if (array == nullptr) return;
    if (!array->is_array()) return fail(key, "is no array");
    if (array->size() > most) return fail(key, "has too many entries");
    for (size_t i = 0; i < array->size() && !error_; ++i)
      note(each((*array)[i], where_ + ": " + key + "[" + std::to_string(i) + "]"));
  }
  /// The value of a key, null after an error.
  const nlohmann::json* find(const char* key);
  void note(const Result<void>& done) {
    if (!done && !error_) error_ = done.error();
  }
  void fail(const char* key, const char* why);
  /// What was wrong first. `only_known`: also a key nobody asked for.
  [[nodiscard]] Result<void> finish(bool only_known) const;

 private:
  const nlohmann::json& value_;
  std::string where_;
  std::set<std::string, std::less<>> asked_;
  std::optional<Error> error_;
};

/// Parses one JSON text. Errors: `what` "is not JSON".
Result<nlohmann::json> parse_json(std::string_view text, const char* what);
/// Reads a value that JsonObject::bytes takes. Errors: not one.
Result<std::string> read_bytes(const nlohmann::json& value, const std::string& where, size_t most);
/// The text, or {"hex": "..."} where it is no UTF-8.
nlohmann::json json_bytes(std::string_view text);
/// One line; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const nlohmann::json& value);

}  // namespace shrike::sandbox
