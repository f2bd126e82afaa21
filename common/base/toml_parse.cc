#include "common/base/toml_parse.h"

#include <algorithm>

namespace shrike {
namespace {

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

std::string toml_place(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

Result<toml::table> parse_toml(std::string_view text, const std::string& name) {
  if (const size_t at = stray_letter(text); at < text.size()) {
    const std::string_view before = text.substr(0, at);
    const size_t line_begin = before.find('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return Error{name + ":" + std::to_string(std::count(before.begin(), before.end(), '\n') + 1) + ":" +
                 std::to_string(at - line_begin + 1) + ": a letter that is not ASCII, outside of quotes"};
  }
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return Error{toml_place(name, error.source()) + ": " + std::string(error.description())};
  }
}

}  // namespace shrike
