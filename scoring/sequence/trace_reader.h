#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "scoring/sequence/trace.h"

namespace shrike::scoring::sequence {

/// How calls are written: as numbers of any one architecture, or by their x86-64 names.
enum class CallNotation { numbers, names };

/// Reads traces from text, one a line: name, tab, calls with spaces between them. The text comes in pieces of any size;
/// a trace needs memory for its calls, not for its line. Empty lines are passed over, a carriage return before the end
/// of a line is allowed, and a trace may be empty.
class TraceReader {
 public:
  /// `source` is what errors name: the file.
  explicit TraceReader(std::string source, CallNotation notation = CallNotation::numbers);

  /// Takes from the front of `text` until a trace is complete or nothing is left; what was taken is gone from `text`.
  /// Errors, each as "source:line:column: why" (columns count bytes from 1): a line without tab or name, a control
  /// character, a word that is no call, a name or trace that is too long. After an error the reader is of no more use.
  Result<std::optional<Trace>> next(std::string_view& text);
  /// The last trace, when the text does not end with a newline. Errors as of next().
  Result<std::optional<Trace>> finish();

  /// Line being read, from 1.
  [[nodiscard]] size_t line() const { return line_; }

 private:
  Error wrong(size_t column, const std::string& why) const;
  Result<void> take(char c);
  /// As many numbers with a space after them as stand at the front of `text`: nearly all there is. The rest, and what
  /// is wrong, is left to take().
  void take_numbers(std::string_view& text);
  Result<void> end_word();
  Result<std::optional<Trace>> end_line();

  std::string source_;
  CallNotation notation_;
  size_t line_ = 1;
  size_t column_ = 0;  ///< of the character taken last
  size_t word_at_ = 0;
  bool in_calls_ = false;
  bool carriage_return_ = false;
  std::string word_;
  Trace trace_;
};

}  // namespace shrike::scoring::sequence
