#include "sandbox/sink_name.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace shrike::sandbox {

namespace {

constexpr size_t name_max = 255;

std::string printable(std::string_view name) {
  std::string text(name.substr(0, name_max));
  std::replace_if(
      text.begin(), text.end(),
      [](unsigned char c) {
        return !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
               std::string_view("-_.:[]").find(static_cast<char>(c)) == std::string_view::npos;
      },
      '?');
  return text;
}

/// Takes parts off the front; after one that is not there it is empty and says so.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  size_t number(size_t bytes) {
    size_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view take(size_t bytes) {
    if (bytes > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto part = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return part;
  }
  /// A part behind its own length; what is cut off at the end of all counts as far as it goes.
  std::string_view behind_length(size_t bytes) {
    const size_t length = number(bytes);
    return take(std::min(length, rest_.size()));
  }
  [[nodiscard]] bool good() const { return good_ && !rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

std::string tls_name(std::string_view bytes) {
  Reader record(bytes);
  if (record.number(1) != 22 || record.number(1) != 3) return {};
  record.take(1);
  Reader message(record.behind_length(2));
  if (message.number(1) != 1) return {};
  Reader hello(message.behind_length(3));
  hello.take(2 + 32);      // version, random
  hello.behind_length(1);  // session
  hello.behind_length(2);  // ciphers
  hello.behind_length(1);  // compressions
  Reader extensions(hello.behind_length(2));
  while (extensions.good()) {
    const size_t kind = extensions.number(2);
    Reader extension(extensions.behind_length(2));
    if (kind != 0) continue;
    Reader names(extension.behind_length(2));
    if (names.number(1) == 0) return printable(names.behind_length(2));
  }
  return {};
}

std::string http_host(std::string_view text) {
  constexpr std::string_view key = "host:";
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    text.remove_prefix(end + 1);
    const auto line = text.substr(0, text.find_first_of("\r\n"));
    if (line.empty()) return {};  // the head is over
    const bool is_host =
        line.size() > key.size() && std::equal(key.begin(), key.end(), line.begin(), [](char a, char b) {
          return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
        });
    if (!is_host) continue;
    const auto name = line.substr(std::min(line.size(), line.find_first_not_of(" \t", key.size())));
    return printable(name);
  }
  return {};
}

}  // namespace

std::string dns_name(std::string_view query) {
  Reader reader(query);
  reader.take(2);
  const size_t flags = reader.number(2), questions = reader.number(2);
  reader.take(6);
  if (!reader.good() || (flags & 0xf800) != 0 || questions != 1) return {};
  std::string name;
  for (;;) {
    if (!reader.good()) return {};
    const size_t length = reader.number(1);
    if (length == 0) return name.empty() ? "." : printable(name);
    if (length > 63 || name.size() + length > name_max) return {};
    const auto label = reader.take(length);
    if (label.size() != length) return {};
    name += (name.empty() ? "" : ".") + std::string(label);
  }
}

std::string_view spoken(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x16\x03")) return "tls";
  const auto first_line = first_bytes.substr(0, first_bytes.find('\n'));
  return first_line.find(" HTTP/1.") != std::string_view::npos ? "http" : "tcp";
}

std::string server_name(std::string_view first_bytes) {
  if (first_bytes.starts_with('\x16')) return tls_name(first_bytes);
  return spoken(first_bytes) == "http" ? http_host(first_bytes) : std::string();
}

}  // namespace shrike::sandbox
