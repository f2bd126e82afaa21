#pragma once
// The words of a condition. What a word may be depends on where it stands (a value may be "and"), so the parser asks
// for what it expects instead of being given tokens.

#include <optional>
#include <string>
#include <string_view>

namespace shrike::scoring {

class Lexer {
 public:
  explicit Lexer(std::string_view text, size_t at = 0) : text_(text), at_(at) {}

  /// Where the next word begins, blanks skipped.
  size_t offset();
  bool at_end() { return offset() == text_.size(); }
  /// Where the last word ended.
  [[nodiscard]] size_t position() const { return at_; }
  /// Goes back to a place that position() gave.
  void rewind(size_t at) { at_ = at; }
  /// The next character, blanks skipped; 0 at the end.
  char peek() { return at_end() ? '\0' : text_[at_]; }
  /// Takes `c` if it comes next.
  bool take(char c);
  /// Takes `word` if it comes next and is followed by a blank, a parenthesis or the end.
  bool take_word(std::string_view word);
  /// [A-Za-z_][A-Za-z0-9_.-]*: a field's, macro's or transformer's name. Empty if none comes next.
  std::string_view name();
  /// A number as Falco's lexer takes it: digits with a sign, or 0x... Empty if none comes next.
  std::string_view number();
  /// The text in brackets right behind a name, quotes removed; nothing without a bracket. `ok` false: not closed.
  std::optional<std::string> bracket(bool& ok);
  /// An operator: one of = == != < <= > >= or small letters.
  std::string_view op();
  /// A value: in quotes, or bare up to a blank, quote, parenthesis, comma or '='. Nothing if none comes next;
  /// `ok` false: the quote is not closed.
  std::optional<std::string> value(bool& ok);

 private:
  std::optional<std::string> quoted(bool& ok);

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace shrike::scoring
