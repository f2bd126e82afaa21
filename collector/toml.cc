#include "collector/toml.h"

#include "common/base/toml_parse.h"

namespace shrike::collector {
namespace {

const toml::table& as_table(const void* table) { return *static_cast<const toml::table*>(table); }

}  // namespace

Result<TomlTable> TomlTable::parse(std::string_view text, const std::string& name) {
  auto parsed = std::make_shared<toml::table>(TRY(parse_toml(text, name)));
  TomlTable table;
  table.name_ = name;
  table.table_ = parsed.get();
  table.root_ = std::move(parsed);
  return table;
}

Error TomlTable::error_at(std::string_view key, const std::string& what) const {
  toml::source_region source{};
  for (const auto& [name, node] : as_table(table_))
    if (name.str() == key) source = name.source().begin.line != 0 ? name.source() : node.source();
  return {toml_place(name_, source) + ": " + path_ + std::string(key) + ": " + what};
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
