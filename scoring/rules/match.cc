#include "scoring/rules/match.h"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>
#include <bit>
#include <charconv>

namespace shrike::scoring {

bool contains(std::string_view text, std::string_view part) {
  return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  if (part.empty()) return true;
  if (part.size() > text.size()) return false;
  const char first = lower(part.front());
  for (size_t at = 0; at + part.size() <= text.size(); ++at) {
    if (lower(text[at]) != first) continue;
    size_t same = 1;
    while (same < part.size() && lower(text[at + same]) == lower(part[same])) ++same;
    if (same == part.size()) return true;
  }
  return false;
}

namespace {

// Matches one character against the class at pattern[at] == '['; moves `at` behind it. A class that is not closed is
// an ordinary '['.
bool in_class(std::string_view pattern, size_t& at, char c, bool ignore_case) {
  size_t p = at + 1;
  const bool inverted = p < pattern.size() && (pattern[p] == '!' || pattern[p] == '^');
  if (inverted) ++p;
  bool found = false;
  const auto folded = [&](char x) { return static_cast<unsigned char>(ignore_case ? lower(x) : x); };
  for (bool first = true; p < pattern.size() && (first || pattern[p] != ']'); first = false) {
    if (pattern[p] == '\\' && p + 1 < pattern.size()) ++p;
    const char low = pattern[p++];
    char high = low;
    if (p + 1 < pattern.size() && pattern[p] == '-' && pattern[p + 1] != ']') {
      high = pattern[p + 1];
      p += 2;
    }
    found = found || (folded(c) >= folded(low) && folded(c) <= folded(high));
  }
  if (p >= pattern.size()) {
    ++at;
    return c == '[';
  }
  at = p + 1;
  return found != inverted;
}

}  // namespace

bool glob(std::string_view pattern, std::string_view text, bool ignore_case) {
  size_t p = 0, t = 0;
  size_t star = std::string_view::npos, resume = 0;  // the last '*' and where it stopped swallowing
  while (t < text.size()) {
    size_t next = p;
    bool matched = false;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        resume = t;
        continue;
      }
      if (pattern[p] == '?') {
        matched = true;
        next = p + 1;
      } else if (pattern[p] == '[') {
        matched = in_class(pattern, next, text[t], ignore_case);
      } else {
        if (pattern[next] == '\\' && next + 1 < pattern.size()) ++next;
        matched = ignore_case ? lower(pattern[next]) == lower(text[t]) : pattern[next] == text[t];
        ++next;
      }
    }
    if (matched) {
      p = next;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool is_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

bool glob_prefix(std::string_view prefix, std::string_view path) {
  while (prefix.size() > 1 && prefix.back() == '/') prefix.remove_suffix(1);
  while (!prefix.empty()) {
    const size_t prefix_end = std::min(prefix.find('/'), prefix.size()),
                 path_end = std::min(path.find('/'), path.size());
    if (!glob(prefix.substr(0, prefix_end), path.substr(0, path_end), false)) return false;
    prefix.remove_prefix(std::min(prefix_end + 1, prefix.size()));
    if (path_end == path.size()) return prefix.empty();
    path.remove_prefix(path_end + 1);
  }
  return true;
}

bool path_prefix(std::string_view prefix, std::string_view path) {
  while (prefix.size() > 1 && prefix.back() == '/') prefix.remove_suffix(1);
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix == "/" || path[prefix.size()] == '/';
}

std::optional<Network> Network::parse(const std::string& text) {
  Network network;
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  if (inet_pton(AF_INET, address.c_str(), network.bytes.data()) == 1) {
    network.size = 4;
  } else if (inet_pton(AF_INET6, address.c_str(), network.bytes.data()) == 1) {
    network.size = 16;
  } else {
    return std::nullopt;
  }
  int bits = network.size * 8;
  if (slash != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
    if (parsed.ec != std::errc{} || parsed.ptr != end || bits < 0 || bits > network.size * 8) return std::nullopt;
  }
  network.bits = static_cast<uint8_t>(bits);
  return network;
}

bool Network::has(std::string_view address) const {
  if (address.size() != size) return false;
  const size_t whole = bits / 8;
  if (memcmp(address.data(), bytes.data(), whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || (static_cast<uint8_t>(address[whole]) ^ bytes[whole]) >> (8 - rest) == 0;
}

uint64_t text_hash(std::string_view text) {
  uint64_t head = 0, tail = 0;
  if (text.size() >= 8) {
    memcpy(&head, text.data(), 8);
    memcpy(&tail, text.data() + text.size() - 8, 8);
  } else {
    for (const char c : text) head = head << 8 | static_cast<unsigned char>(c);
  }
  const uint64_t mixed = (head ^ std::rotl(tail, 29) ^ text.size()) * 0x9e3779b97f4a7c15u;
  return mixed ^ mixed >> 32;
}

TextSet::TextSet(const std::vector<std::string>& texts) : texts_(texts) {
  if (texts_.empty()) return;
  slots_.resize(std::bit_ceil(texts_.size() * 2));
  for (size_t i = 0; i < texts_.size(); ++i) {
    lengths_ |= uint64_t{1} << std::min<size_t>(texts_[i].size(), 63);
    size_t slot = text_hash(texts_[i]) & (slots_.size() - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

bool TextSet::has(std::string_view text) const {
  if ((lengths_ >> std::min<size_t>(text.size(), 63) & 1) == 0) return false;
  for (size_t slot = text_hash(text) & (slots_.size() - 1); slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1))
    if (texts_[slots_[slot] - 1] == text) return true;
  return false;
}

}  // namespace shrike::scoring
