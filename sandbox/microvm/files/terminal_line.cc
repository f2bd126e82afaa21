#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"
#include "sandbox/microvm/files/terminal.h"

namespace shrike::sandbox::microvm {

namespace {

/// A value to or from an argument of at least its size.
template <class T>
int64_t give(std::span<std::byte> argument, const T& value) {
  if (argument.size() < sizeof value) return -EFAULT;
  std::memcpy(argument.data(), &value, sizeof value);
  return 0;
}
template <class T>
int64_t get(std::span<std::byte> argument, T& value) {
  if (argument.size() < sizeof value) return -EFAULT;
  std::memcpy(&value, argument.data(), sizeof value);
  return 0;
}

}  // namespace

void TerminalLine::put_out(char c) {
  if (c == '\n' && (modes_.output & OPOST) != 0 && (modes_.output & ONLCR) != 0) outside_ += '\r';
  outside_ += c;
}

void TerminalLine::echo(char c) {
  if ((modes_.local & ECHO) == 0 || outside_.size() >= buffer_max) return;
  if (static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t') {
    outside_ += '^';
    c = static_cast<char>(c + '@');
  }
  put_out(c);
}

void TerminalLine::take_key(char c) {
  if (c == '\r' && (modes_.input & ICRNL) != 0) c = '\n';
  const bool by_lines = (modes_.local & ICANON) != 0;
  const auto is = [&](size_t which) {
    return by_lines && c != 0 && static_cast<uint8_t>(c) == modes_.characters[which];
  };
  if (is(VEOF)) {
    if (inside_.size() == ready_) ++ends_;
    ready_ = inside_.size();
    return;
  }
  if (is(VERASE)) {
    if (inside_.size() > ready_) inside_.pop_back();
    return;
  }
  if (is(VKILL)) {
    inside_.resize(ready_);
    return;
  }
  echo(c);
  inside_ += c;
  if (!by_lines || c == '\n') ready_ = inside_.size();
}

int64_t TerminalLine::type(std::string_view bytes) {
  size_t done = 0;
  for (; done < bytes.size() && has_room(); ++done) take_key(bytes[done]);
  // A line that is longer than the buffer is given as it is, as on Linux.
  if (!has_room() && ready_ == 0) ready_ = inside_.size();
  ++moved;
  return done == 0 && !bytes.empty() ? -EAGAIN : static_cast<int64_t>(done);
}

int64_t TerminalLine::print(std::string_view bytes) {
  size_t done = 0;
  for (; done < bytes.size() && outside_.size() < buffer_max; ++done) put_out(bytes[done]);
  ++moved;
  return done == 0 && !bytes.empty() ? -EAGAIN : static_cast<int64_t>(done);
}

int64_t TerminalLine::read_inside(std::span<std::byte> out) {
  if (ready_ == 0) {
    if (ends_ == 0) return -EAGAIN;
    --ends_;
    return 0;
  }
  size_t count = std::min(out.size(), ready_);
  const size_t line_end = (modes_.local & ICANON) != 0 ? inside_.find('\n') : std::string::npos;
  if (line_end != std::string::npos) count = std::min(count, line_end + 1);
  copy_bytes(out.data(), inside_.data(), count);
  inside_.erase(0, count);
  ready_ -= count;
  ++moved;
  return static_cast<int64_t>(count);
}

int64_t TerminalLine::read_outside(std::span<std::byte> out) {
  const size_t count = std::min(out.size(), outside_.size());
  copy_bytes(out.data(), outside_.data(), count);
  outside_.erase(0, count);
  ++moved;
  return static_cast<int64_t>(count);
}

int64_t TerminalLine::control(uint64_t command, std::span<std::byte> argument) {
  const auto who = view_.facts(view_.current_process());
  switch (command) {
    case TCGETS:
      return give(argument, modes_);
    case TCSETS:
    case TCSETSW:
    case TCSETSF: {
      const int64_t error = get(argument, modes_);
      if (error == 0 && (modes_.local & ICANON) == 0) ready_ = inside_.size();
      ++moved;
      return error;
    }
    case TIOCGWINSZ:
      return give(argument, window_);
    case TIOCSWINSZ:
      return get(argument, window_);
    case TIOCGPGRP:
      return give(argument, group_ != 0 || !who ? group_ : who->group);
    case TIOCSPGRP:
      return get(argument, group_);
    case TIOCGSID:
      return give(argument, session_ != 0 || !who ? session_ : who->session);
    case TIOCSCTTY:
      if (who) group_ = who->group, session_ = who->session;
      return 0;
    case FIONREAD:
      return give(argument, static_cast<int>(ready_));
    case TIOCOUTQ:
      return give(argument, 0);
    case TCFLSH:
    case TCSBRK:
    case TCSBRKP:
    case TCXONC:
    case TIOCNOTTY:
    case TIOCEXCL:
    case TIOCNXCL:
      return 0;
    default:
      return -ENOTTY;
  }
}

}  // namespace shrike::sandbox::microvm
