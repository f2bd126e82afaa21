#include "scoring/sigma/pattern.h"

#include <algorithm>
#include <array>

#include "scoring/rules/match.h"

namespace shrike::scoring::sigma {

Pattern Pattern::parse(std::string_view text) {
  Pattern out;
  const auto add = [&](char c, char mark) {
    // Two stars say what one says.
    if (c == '*' && mark == 'w' && out.text_.ends_with('*') && out.marks_.ends_with('w')) return;
    out.text_ += c;
    out.marks_ += mark;
  };
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\' && at + 1 < text.size() && std::string_view("*?\\").find(text[at + 1]) != std::string_view::npos) {
      add(text[++at], 't');
    } else {
      add(c, c == '*' || c == '?' ? 'w' : 't');
    }
  }
  return out;
}

Pattern Pattern::literal(std::string_view text) {
  Pattern out;
  out.append(text);
  return out;
}

void Pattern::append(std::string_view text) {
  text_ += text;
  marks_.append(text.size(), 't');
}

void Pattern::close_folder() {
  const bool open = text_.ends_with('*') && marks_.back() == 'w';
  if (!text_.empty() && !open && !text_.ends_with('/')) append("/");
}

void Pattern::add_any_before() {
  if (text_.starts_with('*') && marks_.front() == 'w') return;
  text_.insert(0, 1, '*');
  marks_.insert(0, 1, 'w');
}

void Pattern::add_any_behind() {
  if (text_.ends_with('*') && marks_.back() == 'w') return;
  text_ += '*';
  marks_ += 'w';
}

void Pattern::lower_case() { std::transform(text_.begin(), text_.end(), text_.begin(), lower); }

Pattern Pattern::replaced(size_t at, std::string_view text) const {
  Pattern out = *this;
  out.text_.replace(at, 1, text);
  out.marks_.replace(at, 1, text.size(), 't');
  return out;
}

std::string Pattern::glob() const {
  std::string out;
  for (size_t i = 0; i < text_.size(); ++i) {
    if (marks_[i] == 't' && std::string_view("*?[]\\").find(text_[i]) != std::string_view::npos) out += '\\';
    out += text_[i];
  }
  return out;
}

Pattern::Comparison Pattern::comparison() const {
  if (!has_wildcards()) return {Operator::equal, text_};
  const bool before = marks_.front() == 'w' && text_.front() == '*';
  const bool behind = marks_.back() == 'w' && text_.back() == '*';
  if (text_.size() == 1 && before) return {Operator::exists, {}};
  const size_t from = before ? 1 : 0, size = text_.size() - from - (behind ? 1 : 0);
  if (marks_.substr(from, size).find('w') != std::string::npos) return {Operator::glob, glob()};
  return {before && behind ? Operator::contains
          : before         ? Operator::endswith
                           : Operator::startswith,
          text_.substr(from, size)};
}

std::string base64(std::string_view text) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < text.size(); at += 3) {
    const size_t given = std::min<size_t>(3, text.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < given ? static_cast<uint8_t>(text[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= given ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::vector<std::string> base64_offsets(std::string_view text) {
  // Characters at either end that also hold bits of what stands before or behind are left out.
  static constexpr std::array<size_t, 3> first{0, 2, 3}, dropped{0, 3, 2};
  std::vector<std::string> out;
  for (size_t offset = 0; offset < 3; ++offset) {
    std::string coded = base64(std::string(offset, ' ').append(text));
    coded.resize(coded.size() - std::min(coded.size(), dropped[(text.size() + offset) % 3]));
    out.push_back(coded.substr(std::min(first[offset], coded.size())));
  }
  return out;
}

std::string utf16(std::string_view text, bool big_endian) {
  std::string out;
  const auto unit = [&](uint32_t value) {
    const char low = static_cast<char>(value & 0xff), high = static_cast<char>(value >> 8 & 0xff);
    out += big_endian ? high : low;
    out += big_endian ? low : high;
  };
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<uint8_t>(text[at]);
    const size_t size = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 1;
    uint32_t point = size == 1 ? c : c & (0xffu >> (size + 1));
    bool whole = at + size <= text.size();
    for (size_t i = 1; whole && i < size; ++i) {
      whole = (static_cast<uint8_t>(text[at + i]) & 0xc0) == 0x80;
      point = point << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3fu);
    }
    if (!whole) point = c;
    at += whole ? size : 1;
    if (point >= 0x10000) {
      unit(0xd800 + ((point - 0x10000) >> 10 & 0x3ff));
      unit(0xdc00 + (point & 0x3ff));
    } else {
      unit(point);
    }
  }
  return out;
}

std::vector<Pattern> windash(const Pattern& pattern) {
  static constexpr auto dashes = std::to_array<std::string_view>({"-", "/", "\u2013", "\u2014", "\u2015"});
  constexpr size_t most = 200;
  const auto word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const std::string& text = pattern.text();
  std::vector<Pattern> out{pattern};
  // From behind, so that the places before stay where they are.
  for (size_t at = text.size(); at-- > 0;) {
    if (text[at] != '-' && text[at] != '/') continue;
    if (at + 1 >= text.size() || !word(text[at + 1]) || (at > 0 && word(text[at - 1]))) continue;
    std::vector<Pattern> more;
    for (const Pattern& one : out)
      for (const std::string_view dash : dashes) more.push_back(one.replaced(at, dash));
    if (more.size() > most) return {};
    out = std::move(more);
  }
  return out;
}

}  // namespace shrike::scoring::sigma
