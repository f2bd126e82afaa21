#include "collector/ctl/run_text.h"

#include <csignal>
#include <cstring>

#include "collector/ctl/output.h"
#include "collector/ctl/times.h"

namespace shrike::ctl {

std::string clip(std::string text, size_t most) {
  if (display_width(text) <= most) return text;
  while (display_width(text) > most - 1) {
    do text.pop_back();
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80);
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0xc0) text.pop_back();
  }
  return text + "…";
}

std::string padded(std::string text, size_t to) {
  const size_t have = display_width(text);
  if (have < to) text.append(to - have, ' ');
  return text;
}

std::string signal_text(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
}

void add_rest(Lines& lines, size_t have, size_t shown, uint64_t dropped, const Paint& paint) {
  if (have <= shown && dropped == 0) return;
  std::string text = "  ... and " + with_commas(have - std::min(have, shown) + dropped) + " more";
  if (dropped > 0) text += " (" + with_commas(dropped) + " of them not kept)";
  lines.push_back(paint.faint(text));
}

}  // namespace shrike::ctl
