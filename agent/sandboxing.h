#pragma once
// Everything of the agent that has to do with sandboxed jobs, as the daemon holds it.

#include <memory>
#include <optional>

#include "agent/command_runner.h"
#include "agent/config.h"
#include "agent/detonator.h"
#include "agent/job_server.h"
#include "agent/outbox.h"
#include "agent/status.h"
#include "common/wire/batch.h"

namespace shrike::agent {

class Pipeline;
class Shipping;
class Sink;

class Sandboxing {
 public:
  /// What a job's calls are scored with is read here. `own` is told of jobs, and lives longer. Errors: the background
  /// cannot be read; errno.
  static Result<std::unique_ptr<Sandboxing>> open(const Config& config, const std::string& node, OwnJobs& own);
  ~Sandboxing();

  /// Starts the threads: after the capabilities are gone. Returns what does not work, and why, for the log.
  std::vector<std::string> start(const Config& config, const std::string& node);
  /// A message on the command subject; any thread.
  void take_command(std::string message);
  void set_key(const PublicKey& key);

  /// For epoll.
  [[nodiscard]] int fd() const { return outbox_->fd(); }
  /// Hands what may go now to where it is sealed.
  void drain(uint64_t boot_ns, Shipping& shipping, Sink& alerts, Pipeline& pipeline);
  void add_losses(Losses& losses) const;
  /// Ends jobs and threads; what they had to tell can be drained after it.
  void stop();

  void describe(Status::Sandbox& status) const;
  /// Files of profiles that the collector has sent since the start.
  [[nodiscard]] uint64_t profiles_taken() const { return commands_ ? commands_->counts().profiles : 0; }

 private:
  Sandboxing() = default;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Detonator> detonator_;
  std::unique_ptr<CommandRunner> commands_;
  std::unique_ptr<JobServer> server_;
  bool from_collector_ = false;
};

}  // namespace shrike::agent
