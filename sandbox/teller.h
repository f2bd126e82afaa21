#pragma once
// The sandbox's end of a channel while a job runs: what is told goes into a bounded queue and leaves as the client
// takes it; nothing here ever waits for a client but finish(). Also where output and calls are counted against their
// limits.
//
// A backend polls fd() with wanted() among its own descriptors, calls exchange() when it is ready, and ends the job
// when stop_asked().

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/channel.h"
#include "sandbox/job.h"
#include "sandbox/report.h"

namespace shrike::sandbox {

class Teller final : public CallSink {
 public:
  Teller(Fd socket, const Limits& limits);

  /// Bytes of standard output and error. What is beyond the limit is counted and dropped.
  void out(std::string_view bytes);
  void err(std::string_view bytes);
  /// One thing that happened. Beyond the limit, or where the client is too slow for, it is counted and dropped.
  void call(const Call& call) override;
  /// So many things happened that could not be told: they were lost before they came here.
  void lost(uint64_t count) { dropped_ += count; }
  void begun(uint64_t boot_ns);
  /// Tells where the program will be, and waits until the client has taken note of it: before the program is started.
  /// A client that wants to stop, or has gone, is no error: stop_asked(). Errors: no word of it for `patience`.
  Result<void> placed(const JobPlace& place, std::chrono::milliseconds patience = std::chrono::seconds(30));

  /// For poll(2).
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] short wanted() const;
  /// Whether output should be read from the program: while the client is behind, the program waits.
  [[nodiscard]] bool has_room() const { return queue_.size() - sent_ < output_room; }
  /// Whether the client is so far behind that calls will soon be dropped; `already`: it was, and is until it has caught
  /// up well. A backend that can should make the program wait then.
  [[nodiscard]] bool behind(bool already) const {
    return queue_.size() - sent_ > (already ? queue_max / 4 : queue_max / 2);
  }
  /// Sends what goes without waiting, and sees whether the client has said something. Call it also when nothing is
  /// ready, every 50 ms or so, so that few calls do not wait for more.
  void exchange();
  /// Asked to stop, or nobody is there any more.
  [[nodiscard]] bool stop_asked() const { return stop_; }

  /// Completes `report` with what was counted here.
  void fill(Report& report) const;
  /// Sends all that is left, then the report. Errors: the client has gone, or took nothing for `patience`.
  Result<void> finish(const Report& report, std::chrono::milliseconds patience = std::chrono::seconds(30));

 private:
  static constexpr size_t queue_max = 32u << 20;
  static constexpr size_t output_room = 4u << 20;
  static constexpr size_t batch_bytes = 64u << 10;
  struct Output {
    uint64_t kept = 0, dropped = 0;
  };
  void output(Frame type, Output& counted, std::string_view bytes);
  void put(Frame type, std::string_view payload);
  void flush_calls();
  void send_some();

  Fd socket_;
  Limits limits_;
  std::string queue_;
  size_t sent_ = 0;  // of queue_, from its front
  std::string calls_;
  uint64_t told_ = 0, dropped_ = 0;
  Output out_, err_;
  bool stop_ = false, gone_ = false;
};

}  // namespace shrike::sandbox
