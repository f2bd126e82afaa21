#pragma once
// The machine's end of its channel: what is told is gathered a little before it leaves, because each frame costs both
// ends a system call and a switch.

#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/call.h"
#include "sandbox/channel.h"

namespace shrike::sandbox::microvm {

class Tell final : public CallSink {
 public:
  explicit Tell(Channel& channel) : channel_(channel) {}
  /// The program begins. It is told before all else, with what comes first: each frame wakes somebody who then takes a
  /// processor.
  void begin(uint64_t now_ns);

  /// Waits while the other end is behind: who is not read from runs no further.
  void call(const Call& call) override;
  /// `descriptor`: 1 or 2.
  void output(int descriptor, std::string_view bytes);
  /// To be called now and then: what has waited for long enough leaves.
  void look_at_time(uint64_t now_ns);
  void flush();
  /// The first system call's time, CLOCK_BOOTTIME; 0: none yet.
  [[nodiscard]] uint64_t first_call_ns() const { return first_call_ns_; }
  /// The other end has gone.
  [[nodiscard]] bool gone() const { return gone_; }

 private:
  void send(sandbox::Frame type, std::string& bytes);

  Channel& channel_;
  std::string begun_, calls_, out_, err_;
  uint64_t sent_ns_ = 0, first_call_ns_ = 0;
  bool gone_ = false;
};

}  // namespace shrike::sandbox::microvm
