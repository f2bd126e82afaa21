#pragma once
// Pseudo-terminals: what shells that were sent over a network ask for, so that they show more of themselves. Input that
// is put in otherwise than by the other side (TIOCSTI) is refused by kernel/; there are no signals from keys.

#include <termios.h>

#include <set>
#include <string>

#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

/// The kernel's struct termios, which is not the C library's.
struct TerminalModes {
  uint32_t input, output, control, local;
  uint8_t line, characters[19];
};
static_assert(sizeof(TerminalModes) == 36);

/// One line between two sides. Owners: its open files and its node in /dev/pts.
class TerminalLine {
 public:
  explicit TerminalLine(const GuestView& view) : view_(view) {}

  /// From the outer side (the master): as typed. How many bytes were taken, or -EAGAIN.
  int64_t type(std::string_view bytes);
  /// From the inner side (the slave): as printed.
  int64_t print(std::string_view bytes);
  [[nodiscard]] bool readable_inside() const { return ready_ > 0 || ends_ > 0; }
  int64_t read_inside(std::span<std::byte> out);
  [[nodiscard]] const std::string& outside() const { return outside_; }
  int64_t read_outside(std::span<std::byte> out);
  [[nodiscard]] bool has_room() const { return inside_.size() < buffer_max && outside_.size() < buffer_max; }
  int64_t control(uint64_t command, std::span<std::byte> argument);

  uint32_t masters = 0, slaves = 0;
  bool was_open = false;  ///< a slave was
  bool locked = true;
  uint64_t moved = 0;  ///< activity

 private:
  static constexpr size_t buffer_max = 8192;
  void echo(char c);
  void take_key(char c);
  void put_out(char c);

  const GuestView& view_;
  TerminalModes modes_{ICRNL | IXON,
                       OPOST | ONLCR,
                       B38400 | CS8 | CREAD,
                       ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN,
                       0,
                       {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0}};
  uint16_t window_[4] = {0, 0, 0, 0};
  uint32_t group_ = 0, session_ = 0;
  std::string inside_, outside_;
  size_t ready_ = 0;  // of inside_: whole lines, or all where there are none
  size_t ends_ = 0;   // ^D at the beginning of a line
};

/// Puts /dev/ptmx and /dev/pts in; `view` as for mount_proc().
void mount_terminals(FileSystem& files, const GuestView& view);

}  // namespace shrike::sandbox::microvm
