#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace shrike {

/// Lower-case hexadecimal of `bytes`.
std::string hex(std::string_view bytes);
/// The bytes that `text` spells in hexadecimal. Errors: odd length; a character that is no digit (its column).
Result<std::string> unhex(std::string_view text);
/// RFC 4648 with padding, without line breaks.
std::string base64(std::string_view bytes);
/// The reverse, of canonical text only. Errors: a length that is no multiple of four; a character that is none of its
/// alphabet or stands where it may not (its column).
Result<std::string> unbase64(std::string_view text);

/// The bytes of `value`, least significant first, at `out`.
template <class T>
void store_le(void* out, T value) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  std::memcpy(out, &value, sizeof value);
}
/// The value whose bytes, least significant first, are at `in`; the caller has checked that sizeof(T) are there.
template <class T>
T load_le(const void* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

/// A view of the same bytes.
template <size_t size>
std::string_view as_bytes(const std::array<uint8_t, size>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), size};
}
/// All of `from` into `to`, an array of bytes; false, and nothing done, where it is not exactly as long.
template <class Array>
bool copy_into(std::string_view from, Array& to) {
  if (from.size() != to.size()) return false;
  std::memcpy(to.data(), from.data(), from.size());
  return true;
}

}  // namespace shrike
