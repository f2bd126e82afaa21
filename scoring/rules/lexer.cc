#include "scoring/rules/lexer.h"

#include <algorithm>

namespace shrike::scoring {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-'; }
bool ends_value(char c) { return is_blank(c) || c == '(' || c == ')' || c == '"' || c == '\'' || c == ',' || c == '='; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The escapes Falco knows; a backslash before anything else stays, so that regular expressions survive quoting. `at`
// is the character behind the backslash; it is moved behind what \xHH takes.
void unescape(std::string_view text, size_t& at, std::string& out) {
  const char c = text[at];
  if (c == 'x' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0) {
    out += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
    at += 2;
    return;
  }
  switch (c) {
    case 'b':
      out += '\b';
      break;
    case 'f':
      out += '\f';
      break;
    case 'n':
      out += '\n';
      break;
    case 'r':
      out += '\r';
      break;
    case 't':
      out += '\t';
      break;
    case '\\':
    case '/':
    case '"':
    case '\'':
      out += c;
      break;
    default:
      (out += '\\') += c;
  }
}

}  // namespace

size_t Lexer::offset() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  return at_;
}

bool Lexer::take(char c) {
  if (offset() == text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool Lexer::take_word(std::string_view word) {
  const std::string_view rest = text_.substr(offset());
  if (!rest.starts_with(word)) return false;
  if (rest.size() > word.size() && !is_blank(rest[word.size()]) && rest[word.size()] != '(' && rest[word.size()] != ')')
    return false;
  at_ += word.size();
  return true;
}

std::string_view Lexer::name() {
  const size_t begin = offset();
  if (begin == text_.size() || (!is_letter(text_[begin]) && text_[begin] != '_')) return {};
  while (at_ < text_.size() && is_name(text_[at_])) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::string_view Lexer::number() {
  const size_t begin = offset();
  const std::string_view rest = text_.substr(begin);
  size_t size = 0;
  if (rest.starts_with("0x") || rest.starts_with("0X")) {
    size = 2;
    while (size < rest.size() && hex_digit(rest[size]) >= 0) ++size;
    if (size == 2) size = 1;
  } else {
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) ++size;
    const size_t sign = size;
    while (size < rest.size() && (is_digit(rest[size]) || (rest[size] == '.' && size > sign))) ++size;
    if (size == sign) return {};
  }
  at_ = begin + size;
  return rest.substr(0, size);
}

std::optional<std::string> Lexer::bracket(bool& ok) {
  ok = true;
  if (at_ == text_.size() || text_[at_] != '[') return std::nullopt;
  ++at_;
  if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
    auto inside = quoted(ok);
    ok = ok && at_ < text_.size() && text_[at_] == ']';
    ++at_;
    return inside;
  }
  const size_t end = text_.find(']', at_);
  ok = end != std::string_view::npos;
  std::string inside(text_.substr(at_, ok ? end - at_ : std::string_view::npos));
  at_ = ok ? end + 1 : text_.size();
  return inside;
}

std::string_view Lexer::op() {
  const size_t begin = offset();
  for (const std::string_view symbol : {"==", "!=", "<=", ">=", "=", "<", ">"}) {
    if (!text_.substr(begin).starts_with(symbol)) continue;
    at_ += symbol.size();
    return text_.substr(begin, symbol.size());
  }
  while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::optional<std::string> Lexer::quoted(bool& ok) {
  const char quote = text_[at_++];
  std::string out;
  for (; at_ < text_.size(); ++at_) {
    if (text_[at_] == quote) {
      ++at_;
      ok = true;
      return out;
    }
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
      unescape(text_, ++at_, out);
    } else {
      out += text_[at_];
    }
  }
  ok = false;
  return out;
}

std::optional<std::string> Lexer::value(bool& ok) {
  ok = true;
  const size_t begin = offset();
  if (begin == text_.size()) return std::nullopt;
  if (text_[begin] == '"' || text_[begin] == '\'') return quoted(ok);
  while (at_ < text_.size() && !ends_value(text_[at_])) ++at_;
  if (at_ == begin) return std::nullopt;
  return std::string(text_.substr(begin, at_ - begin));
}

}  // namespace shrike::scoring
