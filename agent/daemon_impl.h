#pragma once
// What daemon.cc sets up and daemon_loop.cc runs.

#include <future>
#include <optional>

#include "agent/daemon.h"
#include "agent/deny_list.h"
#include "agent/host_resolver.h"
#include "agent/http_output.h"
#include "agent/notify.h"
#include "agent/own_jobs.h"
#include "agent/pipeline.h"
#include "agent/privileges.h"
#include "agent/probe/capture.h"
#include "agent/probe/kernel_source.h"
#include "agent/respond/hands.h"
#include "agent/sandboxing.h"
#include "agent/sequence_keeper.h"
#include "agent/shipping.h"
#include "agent/status_server.h"
#include "common/base/fd.h"

namespace shrike::agent {

/// A configuration that was read and whose programs are in the kernel already.
struct Reload {
  Config config;
  LoadedRules loaded;
  FilterSpec filter;
  bool sequence_anew = false;  ///< sequence scoring has a new beginning
  respond::Denying denying;
  bool looked = false;  ///< somebody asked for it
};

struct Daemon::Impl {
  explicit Impl(DaemonOptions given) : options(std::move(given)) {}

  DaemonOptions options;
  Fd signals;
  Fd epoll;
  ServiceManager manager;
  std::unique_ptr<Shipping> shipping;
  std::unique_ptr<HttpOutput> http;
  std::optional<Outputs> outputs;
  uint64_t http_lost_told = 0;
  uint64_t http_tell_again_ns = 0;
  ResponseNeeds needs;  // what was kept; a reload cannot get more
  std::optional<respond::KernelHands> hands;
  std::optional<respond::Responder> responder;
  respond::Denying denying;
  std::optional<probe::KernelSource> source;
  std::optional<SequenceKeeper> sequence;
  OwnJobs own_jobs;
  std::unique_ptr<Sandboxing> sandboxing;  // null: [sandbox] enabled is false
  std::optional<Pipeline> pipeline;
  HostResolver hosts;  // of the names that the pipeline's rules ask for
  std::optional<probe::CaptureWriter> capture;
  FilterSpec filter;
  HealthWatch health;
  StatusBoard board;
  std::optional<StatusServer> server;
  probe::RecordCallback on_record;
  int64_t wall_offset_ns = 0;
  uint64_t start_time_ns = 0;
  uint64_t next_tick_ns = 0;
  uint64_t next_heartbeat_ns = 0;
  std::vector<Alert> early_alerts;  // of what was found before there was a pipeline
  uint64_t reloads = 0;
  uint64_t reloads_failed = 0;
  probe::Features features;  // a copy: a reload in another thread replaces the source's
  AlertProcess own_process;  // what alerts about the agent itself name
  std::future<Result<Reload>> reloading;
  bool reload_again = false;
  bool reload_looked = false;  // somebody asks for the next one
  uint64_t fleet_taken = 0;    // files of profiles from the collector
  bool sequence_anew = false;  // the next reload makes room in its maps
  std::string running_file;    // there while the agent runs, and after an end that was none of its own
  bool ended_badly = false;
  bool busy = false;  // the last poll found records
  bool signalled = false;
  bool stopping = false;
  bool spool_failing = false;
  std::string public_key;
  std::string node;

  Result<void> set_up();
  Result<void> open_kernel(const LoadedRules& loaded);
  Result<void> open_pipeline(LoadedRules loaded);
  void open_http();
  void open_response();
  void open_sandboxing();
  void drain_sandboxing();
  void begin_denying(respond::Denying next);
  void look_after_sequence(uint64_t wall_ns);
  Result<void> watch(int fd);
  Result<void> round();
  void handle_signals();
  /// `looked`: somebody asks for it; else the agent does, by itself.
  void begin_reload(bool looked);
  void finish_reload();
  void apply(Reload next);
  void tick(uint64_t boot_ns);
  void seal(bool all);
  void follow_clock();
  void look_after_shipping(uint64_t wall_ns);
  void look_after_http(uint64_t wall_ns);
  Losses losses(const probe::Counters& kernel) const;
  void post_status(const probe::Counters& kernel);
  void raise(std::vector<Alert> alerts);
  void end();
};

/// Warns of rules that are not in force, and says which are shadowed, can never fire or are expensive.
void log_rules(const LoadedRules& loaded);
/// Ours: processes and kernel objects.
SelfWatch::Self self_of(const probe::KernelSource& source);

}  // namespace shrike::agent
