#pragma once
// `shrike run`: a program in a sandbox, here or on a node, and its report.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/ctl/output.h"
#include "common/base/result.h"
#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/report.h"

namespace shrike::ctl {

struct ApiOptions;

struct RunOptions {
  sandbox::Backend backend = sandbox::Backend::process;
  sandbox::Profile profile = sandbox::Profile::observe;
  sandbox::Network network = sandbox::Network::sink;
  std::chrono::milliseconds timeout{60'000};
  uint64_t memory_bytes = 256u << 20;
  std::string input;               ///< file that becomes standard input; "-": ours; empty: none
  std::vector<std::string> files;  ///< HOST:GUEST
  std::string node;                ///< run it there; empty: here
  std::string id;                  ///< idempotency key; empty: one is made
  std::string agent = "/run/shrike/agent.sock";
  std::string sandbox = "/run/shrike/sandbox.sock";
  bool json = false;
  bool exit_code = false;            ///< end with the program's own
  std::vector<std::string> command;  ///< program and arguments
};

/// A job and what goes with it, read from the files that `options` name.
struct RunJob {
  sandbox::Job job;
  sandbox::JobFiles files;
};
/// Errors: a file that cannot be read, a program that is not found, bounds; each names what and where.
Result<RunJob> make_job(const RunOptions& options);

/// What the program prints while it runs.
struct RunOutput {
  std::function<void(std::string_view)> out, err;
};
/// Runs it with the agent of this host, or, where there is none, in a sandbox of our own with the default rules; then
/// the report says that nothing was signed. Errors: it cannot be run.
Result<sandbox::Report> run_here(const RunOptions& options, const RunJob& job, const RunOutput& output, int stop_fd);
/// Orders it at the collector and waits for the node's report. Errors: also what became of the order instead.
Result<sandbox::Report> run_there(const RunOptions& options, const ApiOptions& api, const RunJob& job,
                                  const RunOutput& output, int stop_fd);

/// The report for people: risk and its reasons, processes as a tree, what they touched, limits and notes; about one
/// screen of `width` columns. Everything of the program's is made printable.
std::vector<std::string> run_report_as_text(const sandbox::Report& report, bool colour, size_t width = 110);
/// One JSON object: the report's keys, and what the program printed.
std::string run_report_as_json(const sandbox::Report& report, std::string_view out, std::string_view err);

int run_run(const RunOptions& options, const ApiOptions& api, Output& out);

}  // namespace shrike::ctl
