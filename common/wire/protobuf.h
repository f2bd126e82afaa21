#pragma once
// Protobuf's wire format, as little of it as the hot path and strict outer framing need. Everything else uses the
// generated classes.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace shrike::proto {

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

inline constexpr size_t varint_max = 10;

inline char* put_varint(char* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

inline size_t varint_size(uint64_t value) {
  return (static_cast<size_t>(63 - __builtin_clzll(value | 1)) * 9 + 73) / 64;
}

inline char* put_tag(char* at, uint32_t field, WireType type) {
  return put_varint(at, field << 3 | static_cast<uint32_t>(type));
}

/// A number field; nothing when it is zero.
inline char* put_number(char* at, uint32_t field, uint64_t value) {
  if (value == 0) return at;
  return put_varint(put_tag(at, field, WireType::varint), value);
}

/// A bytes or string field; nothing when it is empty.
inline char* put_bytes(char* at, uint32_t field, std::string_view bytes) {
  if (bytes.empty()) return at;
  at = put_varint(put_tag(at, field, WireType::bytes), bytes.size());
  std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

/// What `put_bytes` needs at most for `size` bytes.
inline constexpr size_t bytes_room(size_t size) { return size + 2 * varint_max; }

/// Takes a varint off the head of `bytes`; nothing when it is cut, longer than it need be or over 64 bits.
inline std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < varint_max && i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (i > 0 && byte == 0) return std::nullopt;
      bytes.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

/// Takes the bytes field number `field` off the head; nothing when the head is anything else, or cut.
inline std::optional<std::string_view> take_bytes(std::string_view& bytes, uint32_t field) {
  std::string_view rest = bytes;
  const auto tag = take_varint(rest);
  if (!tag || *tag != (field << 3 | static_cast<uint32_t>(WireType::bytes))) return std::nullopt;
  const auto size = take_varint(rest);
  if (!size || *size > rest.size()) return std::nullopt;
  const std::string_view value = rest.substr(0, *size);
  rest.remove_prefix(*size);
  bytes = rest;
  return value;
}

}  // namespace shrike::proto
