// A job on this host: the agent's, or, where there is none, one of our own.

#include <unistd.h>

#include "agent/detonate/detonation.h"
#include "collector/ctl/rules.h"
#include "collector/ctl/run.h"
#include "common/base/clock.h"
#include "sandbox/client.h"

namespace shrike::ctl {
namespace {

/// Only risk and reasons are wanted here.
class Nowhere : public detonate::Sink {
 public:
  void event(const Event&) override {}
  void alert(const Alert&) override {}
};

bool agent_answers(const std::string& socket) { return !socket.empty() && ::access(socket.c_str(), R_OK | W_OK) == 0; }

sandbox::JobEvents events_of(const RunOutput& output) {
  sandbox::JobEvents events;
  events.out = output.out;
  events.err = output.err;
  return events;
}

Result<sandbox::Report> run_alone(const RunOptions& options, const RunJob& job, const RunOutput& output, int stop_fd) {
  auto compiled = TRY(compile_rule_files({}));
  sandbox::ClientOptions client;
  client.socket = options.sandbox;
  auto running = TRY(sandbox::JobClient::start(client, job.job, job.files));
  Nowhere nowhere;
  detonate::DetonationOptions scoring;
  scoring.converter.job = job.job.id;
  scoring.converter.wall_offset_ns = wall_offset_ns();
  scoring.node = "here";
  for (const auto& file : job.job.files) scoring.given.push_back(file.path);
  detonate::Detonation detonation(std::move(scoring), compiled.rules, nowhere);
  auto events = events_of(output);
  events.call = [&](const sandbox::Call& call) { detonation.call(call); };
  auto report = TRY(running.finish(events, stop_fd));
  detonation.finish(report);
  report.evidence = "not signed: no agent on this host took it";
  return report;
}

}  // namespace

Result<sandbox::Report> run_here(const RunOptions& options, const RunJob& job, const RunOutput& output, int stop_fd) {
  if (!agent_answers(options.agent)) return run_alone(options, job, output, stop_fd);
  sandbox::ClientOptions client;
  client.socket = options.agent;
  client.own = false;  // should the agent end just now, it is run by nobody, or as without one
  auto running = sandbox::JobClient::start(client, job.job, job.files);
  if (!running && running.error().code == ENOENT) return run_alone(options, job, output, stop_fd);
  if (!running) return running.error().in("the agent at " + options.agent);
  return running->finish(events_of(output), stop_fd);
}

}  // namespace shrike::ctl
