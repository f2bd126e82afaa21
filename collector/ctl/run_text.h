#pragma once
// What the parts of the report of `shrike run` are made of.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/report.h"

namespace shrike::ctl {

using Lines = std::vector<std::string>;

class Paint {
 public:
  explicit Paint(bool colour) : colour_(colour) {}
  [[nodiscard]] std::string operator()(const char* code, std::string_view text) const {
    return colour_ ? std::string("\033[") + code + "m" + std::string(text) + "\033[0m" : std::string(text);
  }
  [[nodiscard]] std::string risk(double risk, std::string_view text) const {
    return (*this)(risk >= 0.8 ? "1;31" : risk >= 0.5 ? "31" : risk >= 0.3 ? "33" : "32", text);
  }
  [[nodiscard]] std::string severity(std::string_view severity, std::string_view text) const {
    return (*this)(severity == "critical" || severity == "high" ? "31" : severity == "medium" ? "33" : "36", text);
  }
  [[nodiscard]] std::string heading(std::string_view text) const { return (*this)("1", text); }
  [[nodiscard]] std::string faint(std::string_view text) const { return (*this)("2", text); }

 private:
  bool colour_;
};

/// At most `most` columns of `text`, which has no colours; where that is not all, a sign of it at the end.
std::string clip(std::string text, size_t most);
std::string padded(std::string text, size_t to);
/// "SIGKILL", "signal 77".
std::string signal_text(int number);
/// Adds "... and 7 more" where a list was not shown whole.
void add_rest(Lines& lines, size_t have, size_t shown, uint64_t dropped, const Paint& paint);

/// The processes of a job as a tree, one a line of at most `width` columns.
void add_tree(const sandbox::Report& report, const Paint& paint, size_t width, Lines& lines);

}  // namespace shrike::ctl
