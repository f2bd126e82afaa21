#include "collector/ctl/output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::ctl {
bool use_colour(Colour wish, int fd) {
  if (wish != Colour::automatic) return wish == Colour::always;
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != 0) return false;
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::string_view(term) == "dumb") return false;
  return isatty(fd) == 1;
}

bool Output::line(std::string_view text) {
  std::string whole;
  whole.reserve(text.size() + 1);
  whole.append(text);
  whole.push_back('\n');
  return raw(whole);
}

bool Output::raw(std::string_view text) {
  if (!closed_ && !write_all(fd_, text).ok()) closed_ = true;
  return !closed_;
}

bool Output::reader_gone() const {
  pollfd fd{fd_, 0, 0};
  return closed_ || (poll(&fd, 1, 0) == 1 && (fd.revents & (POLLERR | POLLNVAL)) != 0);
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

Table::Table(std::vector<std::string> heading) : right_(heading.size(), false) { rows_.push_back(std::move(heading)); }

void Table::row(std::vector<std::string> cells) {
  cells.resize(right_.size());
  rows_.push_back(std::move(cells));
}

void Table::right(size_t column) { right_.at(column) = true; }

std::vector<std::string> Table::lines(bool colour) const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::vector<std::string> out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string& cell = rows_[r][i];
      const std::string padding(widths[i] - display_width(cell), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out.push_back(r == 0 && colour ? "\033[1m" + line + "\033[0m" : line);
  }
  return out;
}

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) (void)write_all(STDERR_FILENO, "\r\033[K").ok();
}

void Progress::show(std::string_view text) {
  if (!terminal_) return;
  const uint64_t now = boot_now_ns();
  if (shown_ && now - last_ns_ < 100'000'000) return;
  last_ns_ = now;
  shown_ = true;
  (void)write_all(STDERR_FILENO, "\r\033[K" + std::string(text)).ok();
}

}  // namespace shrike::ctl
