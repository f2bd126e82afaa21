#include "common/base/toml_parse.h"

namespace shrike {

std::string toml_place(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

Result<toml::table> parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return Error{toml_place(name, error.source()) + ": " + std::string(error.description())};
  }
}

}  // namespace shrike
