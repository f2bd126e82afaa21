#include "common/base/bytes.h"

namespace shrike {
namespace {
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

Result<std::string> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return Error{"hexadecimal text of odd length " + std::to_string(text.size())};
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return Error{"not hexadecimal at column " + std::to_string(i + (high < 0 ? 1 : 2))};
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace shrike
