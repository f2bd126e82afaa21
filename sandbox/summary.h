#pragma once
// What a report says of the calls that were told: processes, refusals, connections, totals. Goes between whoever tells
// calls and the client; bounded, with counts of what did not fit.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/call.h"
#include "sandbox/report.h"

namespace shrike::sandbox {

class Summary final : public CallSink {
 public:
  /// Passes everything on to `next`.
  explicit Summary(CallSink& next) : next_(next) {}
  /// CLOCK_BOOTTIME of the job's start, and the program's path, which its first exec does not know where it is one of a
  /// descriptor. (A script's first exec is its interpreter's.)
  void begin(uint64_t start_ns, std::string program) {
    start_ns_ = start_ns;
    program_ = std::move(program);
  }
  void call(const Call& call) override;
  /// Calls that happened, but of which nothing is known any more.
  void lost(uint64_t count) { calls_ += count; }
  /// A connection as its other end saw it: bytes are known, who made it is not always.
  void met(const Connection& connection);
  void refused(const std::string& call, const std::string& reason);
  /// Who was first to do something that is refused: "ptrace"; empty when nobody was.
  [[nodiscard]] const std::string& first_refusal() const { return first_refusal_; }
  void fill(Report& report) const;

 private:
  void count(const Call& call);
  void outside(const Call& call);
  void began(const Call& call);
  void executed(const Call& call);
  void connected(const Call& call);
  GuestProcess* process(uint32_t pid);
  Connection* connection(const std::string& protocol, const std::string& address, const std::string& name = {});

  CallSink& next_;
  uint64_t start_ns_ = 0;
  std::string program_;
  uint64_t calls_ = 0, denied_ = 0, unknown_ = 0;
  std::vector<GuestProcess> processes_;
  std::map<uint32_t, size_t> by_pid_;
  uint64_t processes_dropped_ = 0;
  std::vector<Connection> connections_;
  std::map<std::string, size_t> by_address_;
  std::set<std::pair<uint32_t, int32_t>> datagrams_;  // process and descriptor
  uint64_t connections_dropped_ = 0;
  std::map<std::pair<std::string, std::string>, uint64_t> refusals_;
  uint64_t refusals_dropped_ = 0;
  std::string first_refusal_;
};

/// A sockaddr's bytes as text: "203.0.113.7:443", "[::1]:80", a path, "@abstract"; nothing where it is none of these.
std::optional<std::string> sockaddr_text(std::string_view bytes);

}  // namespace shrike::sandbox
