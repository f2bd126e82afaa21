#pragma once
// `shrike demo`: nats-server, collector and agent on this host, in a directory of their own.

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "collector/ctl/child.h"
#include "collector/ctl/client.h"
#include "collector/ctl/demo_files.h"
#include "collector/ctl/demo_state.h"
#include "collector/ctl/demo_summary.h"
#include "collector/ctl/notify.h"
#include "collector/ctl/options.h"

namespace shrike::ctl {

/// The rule files that come with Shrike: of the source tree when we were built there, else the installed ones. Empty:
/// there are none, and the agent's own default holds.
std::vector<std::string> default_rules();

/// Prints the alerts of one collector in a thread of its own and counts them.
class AlertPrinter {
 public:
  /// `wake`: an eventfd that is written when nobody reads our output any more.
  AlertPrinter(Endpoint endpoint, uint64_t since_ns, bool json, Output& out, int wake);
  ~AlertPrinter();
  /// Ends; returns how many alerts of each severity were printed.
  std::map<std::string, uint64_t> stop();
  /// How many were printed so far.
  [[nodiscard]] uint64_t count() const { return count_; }

 private:
  void run(uint64_t since_ns);
  Client client_;
  bool json_;
  Output& out_;
  int wake_;
  std::atomic<uint64_t> count_{0};
  std::atomic<bool> stopping_{false};
  std::map<std::string, uint64_t> by_severity_;  // the thread's until it has ended
  std::thread thread_;
};

/// The programs and what is needed to start and stop them in the right order.
class Demo {
 public:
  /// `signals`: a signalfd that becomes readable when the demo is to end.
  Demo(const DemoOptions& options, DemoState& state, Output& out, int signals);
  Demo(const Demo&) = delete;
  Demo& operator=(const Demo&) = delete;
  /// Ends whatever runs, in the right order and politely, so that a kept state directory stays whole.
  ~Demo();
  /// Starts all three and waits until each is ready. Errors: which one did not, with the end of its log. Error::code is
  /// EINTR when a signal came meanwhile.
  Result<void> start();
  /// Until a signal, the end of --for, or of our reader. Errors: a child ended.
  Result<void> run();
  /// Stops the agent, lets the collector take in what it flushed, stops the rest, verifies.
  Result<DemoSummary> stop();

 private:
  Result<void> start_nats();
  Result<void> start_collector();
  void start_sandbox();
  Result<void> start_agent();
  /// Calls `ready` until it is true. Errors: the child ended, a signal came, the time is over.
  Result<void> wait_ready(Child& child, int also, const std::function<bool()>& ready);
  Result<void> all_alive();
  Error died(Child& child, const ChildEnd& end) const;
  void say(const std::string& text) const;
  void let_collector_catch_up();

  const DemoOptions& options_;
  DemoState& state_;
  Output& out_;
  int signals_;
  Fd reader_gone_;
  DemoSetup setup_;
  Endpoint endpoint_;
  uint64_t started_ns_ = 0;  ///< wall clock
  uint64_t ready_ns_ = 0;    ///< boot clock
  std::chrono::microseconds start_cpu_{0};
  uint64_t events_before_ = 0, batches_before_ = 0;
  Losses losses_before_;
  std::optional<Child> nats_, collector_, sandbox_, agent_;  // destroyed in the reverse order: the agent first
  std::unique_ptr<AlertPrinter> printer_;
};

}  // namespace shrike::ctl
