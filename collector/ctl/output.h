#pragma once
// What the command prints: whole lines, at once, safe for a terminal.

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace shrike::ctl {

/// When to colour: `automatic` means a terminal, TERM not "dumb" and NO_COLOR unset or empty.
enum class Colour { automatic, always, never };
bool use_colour(Colour wish, int fd);

/// Writes lines to a descriptor, each with one write, so that a reader at the other end of a pipe sees it at once.
class Output {
 public:
  explicit Output(int fd, Colour wish = Colour::automatic) : fd_(fd), wish_(wish), colour_(use_colour(wish, fd)) {}
  /// `text` and a newline. False when nobody reads any more: the caller ends quietly.
  bool line(std::string_view text);
  /// `text` as it is, for what is not lines.
  bool raw(std::string_view text);
  [[nodiscard]] bool colour() const { return colour_; }
  /// What was asked for, for another descriptor.
  [[nodiscard]] Colour wish() const { return wish_; }
  [[nodiscard]] bool closed() const { return closed_; }
  /// Whether the reader has gone, also while there is nothing to write.
  [[nodiscard]] bool reader_gone() const;

 private:
  int fd_;
  Colour wish_;
  bool colour_;
  std::atomic<bool> closed_{false};  // the demo prints in one thread and looks from another
};

/// Columns of text, as wide as their widest cell; the first row is the heading.
class Table {
 public:
  explicit Table(std::vector<std::string> heading);
  /// Cells must be printable() already. Missing ones are empty.
  void row(std::vector<std::string> cells);
  /// Cells of this column stand at its right edge: numbers.
  void right(size_t column);
  [[nodiscard]] std::vector<std::string> lines(bool colour) const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

/// How many columns of a terminal `text` (UTF-8, no controls) takes; each code point counts as one.
size_t display_width(std::string_view text);

/// Says on standard error how long work goes on, on one line that is overwritten; silent when that is no terminal.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// At most ten times a second reaches the terminal.
  void show(std::string_view text);

 private:
  bool terminal_;
  bool shown_ = false;
  unsigned long long last_ns_ = 0;
};

}  // namespace shrike::ctl
