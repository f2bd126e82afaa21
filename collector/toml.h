#pragma once
// TOML with errors that name file, line and column, and that know every key nobody asked for. toml.cc is the one file
// of this folder that sees toml++.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike::collector {

class TomlTable {
 public:
  /// Errors: not TOML, with `name`, line and column.
  static Result<TomlTable> parse(std::string_view text, const std::string& name);

  /// Each reads a key into `out`, which stays as it is when the key is absent. Errors: another type; out of range.
  Result<void> text(std::string_view key, std::string& out) const;
  Result<void> flag(std::string_view key, bool& out) const;
  Result<void> number(std::string_view key, uint64_t& out) const;
  /// The table of that name; an empty one when absent. Errors: it is no table.
  Result<TomlTable> table(std::string_view key) const;

  /// All keys, as they stand in the file.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// Errors: a key that none of the calls above has asked for.
  Result<void> all_known() const;
  /// "<name>:<line>:<column>: <key>: <what>".
  [[nodiscard]] Error error_at(std::string_view key, const std::string& what) const;

 private:
  std::shared_ptr<const void> root_;  // toml::table; shared by a table and those inside it
  const void* table_ = nullptr;
  std::string name_;
  std::string path_;  // "nats."
  mutable std::set<std::string, std::less<>> asked_;
};

}  // namespace shrike::collector
