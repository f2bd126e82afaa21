#include "common/base/bytes.h"

#include <algorithm>

namespace shrike {
namespace {
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
int digit64(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
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

std::string base64(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) three = three << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= have ? digits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

Result<std::string> unbase64(std::string_view text) {
  if (text.size() % 4 != 0) return Error{"base64 text of length " + std::to_string(text.size()) + ": no multiple of 4"};
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const std::string_view four = text.substr(i, 4);
    const bool last = i + 4 == text.size();
    const size_t padding = !last ? 0 : four.ends_with("==") ? 2 : four.ends_with('=') ? 1 : 0;
    uint32_t three = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int value = k < 4 - padding ? digit64(four[k]) : 0;
      if (value < 0) return Error{"not base64 at column " + std::to_string(i + k + 1)};
      three = three << 6 | static_cast<uint32_t>(value);
    }
    // What the padding leaves over is zeros: each text of bytes has one spelling.
    if ((three & ((1u << (8 * padding)) - 1)) != 0)
      return Error{"not base64 at column " + std::to_string(i + 4 - padding)};
    for (size_t k = 0; k < 3 - padding; ++k) bytes += static_cast<char>(three >> (16 - 8 * k));
  }
  return bytes;
}

}  // namespace shrike
