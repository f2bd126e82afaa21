#pragma once
// A value of a Sigma rule: text with wildcards, and what modifiers make of it.

#include <string>
#include <string_view>
#include <vector>

#include "scoring/rules/syntax.h"

namespace shrike::scoring::sigma {

class Pattern {
 public:
  /// `*` any text, `?` any character; a backslash takes the meaning from these two and from a backslash, before any
  /// other character it is itself.
  static Pattern parse(std::string_view text);
  /// Text in which no character means anything.
  static Pattern literal(std::string_view text);

  [[nodiscard]] bool has_wildcards() const { return marks_.find('w') != std::string::npos; }
  /// The characters, wildcards among them.
  [[nodiscard]] const std::string& text() const { return text_; }
  void add_any_before();
  void add_any_behind();
  void lower_case();
  void append(std::string_view text);
  /// Appends a slash to what ends in none, is not empty, and says how it ends.
  void close_folder();
  /// Puts `text` in place of the character at `at`.
  [[nodiscard]] Pattern replaced(size_t at, std::string_view text) const;
  /// As fnmatch wants it, which has brackets too.
  [[nodiscard]] std::string glob() const;

  /// The cheapest comparison that means the same. `exists`: anything will do.
  struct Comparison {
    Operator op = Operator::equal;
    std::string text;
  };
  [[nodiscard]] Comparison comparison() const;

 private:
  std::string text_;
  std::string marks_;  // as long: 'w' for a wildcard, 't' for text
};

std::string base64(std::string_view text);
/// What every text that contains `text` contains as base64, whatever stands before it: one for each of three offsets.
std::vector<std::string> base64_offsets(std::string_view text);
/// UTF-16 of UTF-8; bytes that are not UTF-8 stand for themselves.
std::string utf16(std::string_view text, bool big_endian);
/// `pattern` with each dash or slash that begins an option written in all the ways Windows programs take it. Empty
/// when that would be more than 200.
std::vector<Pattern> windash(const Pattern& pattern);

}  // namespace shrike::scoring::sigma
