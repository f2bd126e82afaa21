#include "collector/toml.h"

// toml++ 3.3 states assumptions that a file can break ("[ = 1"): with NDEBUG they are undefined behaviour, else aborts.
// What follows each of them is a right error, so they are left out.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
// The library's own limit of 256 is more stack than a thread may have.
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include <algorithm>

namespace shrike::collector {
namespace {

const toml::table& as_table(const void* table) { return *static_cast<const toml::table*>(table); }

std::string place(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

// toml++ 3.3 also runs into a point that it calls unreachable when a letter beyond ASCII stands outside of strings and
// comments, where TOML allows none. Returns where the first such one is, or the text's size.
size_t stray_letter(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      if (at != 0 || !text.starts_with("\xEF\xBB\xBF")) return at;
      at += 3;
    } else if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (c == '"' || c == '\'') {
      const std::string_view once = text.substr(at, 1);
      const bool many = text.substr(at, 3) == std::string(3, c);
      const std::string_view end = many ? text.substr(at, 3) : once;
      at += end.size();
      while (at < text.size() && text.substr(at, end.size()) != end && (many || text[at] != '\n'))
        at += c == '"' && text[at] == '\\' ? 2 : 1;
      at += end.size();
    } else {
      ++at;
    }
  }
  return text.size();
}

}  // namespace

Result<TomlTable> TomlTable::parse(std::string_view text, const std::string& name) {
  if (const size_t at = stray_letter(text); at < text.size()) {
    const std::string_view before = text.substr(0, at);
    const size_t line_begin = before.find('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return Error{name + ":" + std::to_string(std::count(before.begin(), before.end(), '\n') + 1) + ":" +
                 std::to_string(at - line_begin + 1) + ": a letter that is not ASCII, outside of quotes"};
  }
  TomlTable table;
  table.name_ = name;
  try {
    auto parsed = std::make_shared<toml::table>(toml::parse(text, name));
    table.table_ = parsed.get();
    table.root_ = std::move(parsed);
  } catch (const toml::parse_error& error) {
    return Error{place(name, error.source()) + ": " + std::string(error.description())};
  }
  return table;
}

Error TomlTable::error_at(std::string_view key, const std::string& what) const {
  toml::source_region source{};
  for (const auto& [name, node] : as_table(table_))
    if (name.str() == key) source = name.source().begin.line != 0 ? name.source() : node.source();
  return {place(name_, source) + ": " + path_ + std::string(key) + ": " + what};
}

Result<void> TomlTable::text(std::string_view key, std::string& out) const {
  asked_.emplace(key);
  const toml::node* node = as_table(table_).get(key);
  if (node == nullptr) return {};
  const auto* value = node->as_string();
  if (value == nullptr) return error_at(key, "must be a string in quotes");
  if (value->get().find('\0') != std::string::npos) return error_at(key, "must not contain a NUL character");
  out = value->get();
  return {};
}

Result<void> TomlTable::flag(std::string_view key, bool& out) const {
  asked_.emplace(key);
  const toml::node* node = as_table(table_).get(key);
  if (node == nullptr) return {};
  const auto* value = node->as_boolean();
  if (value == nullptr) return error_at(key, "must be true or false");
  out = value->get();
  return {};
}

Result<void> TomlTable::number(std::string_view key, uint64_t& out) const {
  asked_.emplace(key);
  const toml::node* node = as_table(table_).get(key);
  if (node == nullptr) return {};
  const auto* value = node->as_integer();
  if (value == nullptr || value->get() < 0) return error_at(key, "must be a whole number, 0 or more");
  out = static_cast<uint64_t>(value->get());
  return {};
}

Result<TomlTable> TomlTable::table(std::string_view key) const {
  static const toml::table empty;
  asked_.emplace(key);
  TomlTable inner;
  inner.root_ = root_;
  inner.name_ = name_;
  inner.path_ = path_ + std::string(key) + ".";
  inner.table_ = &empty;
  const toml::node* node = as_table(table_).get(key);
  if (node == nullptr) return inner;
  if (!node->is_table()) return error_at(key, "must be a table: [" + std::string(key) + "]");
  inner.table_ = node->as_table();
  return inner;
}

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::string> keys;
  for (const auto& [name, node] : as_table(table_)) keys.emplace_back(name.str());
  return keys;
}

Result<void> TomlTable::all_known() const {
  for (const std::string& key : keys())
    if (!asked_.contains(key)) return error_at(key, "no such setting");
  return {};
}

}  // namespace shrike::collector
