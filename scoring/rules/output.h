#pragma once
// A rule's output: text with %fields in it.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scoring/rules/program.h"

namespace shrike::scoring {

class Output {
 public:
  /// "%proc.name", "%proc.aname[2]", "%toupper(proc.name)", "%%" for a percent sign; a '*' in front of the whole is
  /// accepted as Falco does. The fault's offset is in `text`.
  static std::variant<Output, Fault> parse(const std::string& text);
  /// The text with its fields filled in ("<NA>" for one that is missing), and every field once by name.
  /// Where process, parent, user or target is not known the message says what is: "[name]", "pid 7", "uid 7".
  /// Either is cut at 8 KiB.
  void render(const Context& context, Scratch& scratch, std::string& message,
              std::vector<std::pair<std::string, std::string>>& fields) const;

 private:
  struct Part {
    std::string text;  ///< before the field
    OperandPtr use;    ///< null: only text
    size_t name = 0;   ///< place in names_
  };
  std::vector<Part> parts_;
  std::vector<OperandPtr> uses_;
};

}  // namespace shrike::scoring
