#pragma once
// Signals that wait to be delivered, and what a process wants done with each.

#include <array>
#include <csignal>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

namespace shrike::sandbox::microvm {

inline constexpr int signals_count = 64;
inline constexpr size_t signals_pending_most = 1024;  ///< of one queue, as RLIMIT_SIGPENDING

inline constexpr uint64_t signal_bit(int number) { return uint64_t{1} << (number - 1); }
inline constexpr uint64_t unblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);
inline constexpr bool valid_signal(int64_t number) { return number >= 1 && number <= signals_count; }

struct SignalInfo {
  int number = 0;
  int code = 0;  ///< SI_USER, SI_TKILL, CLD_EXITED, SEGV_MAPERR ...
  int error = 0;
  uint32_t pid = 0, uid = 0;  ///< sender, child
  int32_t status = 0;         ///< SIGCHLD's; a timer's overruns
  uint64_t value = 0;         ///< sigqueue's, address of a fault
  int32_t timer = -1;         ///< POSIX timer that sent it

  using Bytes = std::array<std::byte, 128>;
  /// siginfo_t as x86-64 has it.
  [[nodiscard]] Bytes bytes() const;
  /// Of rt_sigqueueinfo's copy.
  static SignalInfo from_bytes(std::span<const std::byte, 128> bytes);
};

/// Standard signals wait once, real-time ones as often as they were sent.
class SignalQueue {
 public:
  /// False: there is no room (real-time signals only: EAGAIN).
  bool add(const SignalInfo& info);
  /// Takes the first of those in `set`, lowest number first.
  std::optional<SignalInfo> take(uint64_t set);
  void remove(uint64_t set);
  [[nodiscard]] uint64_t set() const { return set_; }

 private:
  uint64_t set_ = 0;
  std::deque<SignalInfo> queue_;
};

/// struct kernel_sigaction.
struct SignalAction {
  uint64_t handler = 0;  ///< 0 default, 1 ignore
  uint64_t flags = 0;
  uint64_t restorer = 0;
  uint64_t mask = 0;
};
using SignalActions = std::array<SignalAction, signals_count + 1>;

enum class SignalDefault : uint8_t { end, core, ignore, stop, go_on };
SignalDefault signal_default(int number);

}  // namespace shrike::sandbox::microvm
