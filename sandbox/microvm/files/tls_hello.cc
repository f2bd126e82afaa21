#include "sandbox/microvm/files/tls_hello.h"

#include <algorithm>
#include <cstdint>

namespace shrike::sandbox::microvm {

namespace {

/// Reads big-endian numbers and pieces off the front; once something is missing, everything is.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  size_t number(size_t bytes) {
    size_t value = 0;
    for (const char c : piece(bytes)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string_view piece(size_t bytes) {
    if (bytes > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view out = bytes_.substr(0, bytes);
    bytes_.remove_prefix(bytes);
    return out;
  }
  /// A piece with its length before it.
  std::string_view counted(size_t bytes_of_length) { return piece(number(bytes_of_length)); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace

bool is_tls_hello(std::string_view bytes) {
  constexpr std::string_view start("\x16\x03", 2);
  return !bytes.empty() && bytes.substr(0, 2) == start.substr(0, bytes.size()) && (bytes.size() < 6 || bytes[5] == 1);
}

std::optional<std::string> tls_server_name(std::string_view bytes, bool& whole) {
  Reader record(bytes);
  record.piece(3);
  Reader handshake(record.counted(2));
  whole = record.ok();
  if (!whole) return std::nullopt;
  handshake.piece(1);
  Reader hello(handshake.counted(3));
  hello.piece(2 + 32);
  hello.counted(1);
  hello.counted(2);
  hello.counted(1);
  Reader extensions(hello.counted(2));
  while (hello.ok() && extensions.ok() && !extensions.empty()) {
    const size_t type = extensions.number(2);
    Reader extension(extensions.counted(2));
    if (type != 0) continue;
    Reader names(extension.counted(2));
    names.piece(1);
    const std::string_view name = names.counted(2);
    if (!names.ok() || name.empty() || name.size() > 255) return std::nullopt;
    return std::string(name);
  }
  return std::nullopt;
}

}  // namespace shrike::sandbox::microvm
