#pragma once
// Text of a rule file that still knows, character by character, where it stood: conditions are put together from
// several files and have lists substituted into them, and an error must name the place the user can edit.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shrike::scoring {

struct Position {
  std::string file;
  int line = 0;    ///< 1-based
  int column = 0;  ///< 1-based

  /// "file:line:column"
  [[nodiscard]] std::string text() const;
};

/// One scalar as YAML gave it, with the file it came from.
struct Scalar {
  std::shared_ptr<const std::string> file_text;
  std::string file;
  int line = 0;    ///< 0-based, of the scalar's first character (a block's '>' or '|')
  int column = 0;  ///< 0-based
  std::string value;

  /// Where `offset` of the value stands in the file. Right for plain, quoted and block scalars as long as YAML
  /// escapes stand only for the character behind them.
  [[nodiscard]] Position at(size_t offset) const;
};

class SourceText {
 public:
  SourceText() = default;
  explicit SourceText(std::shared_ptr<const Scalar> scalar);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  /// Where the character at `offset` came from; offsets behind the end mean the end.
  [[nodiscard]] Position at(size_t offset) const;

  /// Adds `other` behind this.
  void append(const SourceText& other);
  /// Adds characters [from, to) of `other`.
  void append(const SourceText& other, size_t from, size_t to);
  /// Adds text that nobody wrote; errors in it name `like`'s character at `offset`.
  void append_made(std::string_view made, const SourceText& like, size_t offset);
  /// The same for text made from one scalar.
  void append_made(std::string_view made, std::shared_ptr<const Scalar> scalar);

 private:
  struct Piece {
    size_t begin;
    std::shared_ptr<const Scalar> scalar;
    size_t offset;
    bool fixed;  // made text: every character stands at `offset`
  };
  [[nodiscard]] const Piece* piece_at(size_t offset) const;

  std::string text_;
  std::vector<Piece> pieces_;
};

}  // namespace shrike::scoring
