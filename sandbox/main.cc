// shrike-sandbox: one job for the client at a socket, or the service that forks one process for each.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "sandbox/program.h"

namespace {

constexpr int exit_usage = 2;

int fail(const shrike::Error& error) {
  std::fprintf(stderr, "shrike-sandbox: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace shrike::sandbox;
  ::signal(SIGPIPE, SIG_IGN);
  CLI::App app("Runs programs that nobody trusts, bounded, and tells every system call they make.", "shrike-sandbox");
  app.set_version_flag("--version", "shrike-sandbox " SHRIKE_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);

  JobOptions job;
  auto* run = app.add_subcommand("job", "Run one job for the client at a socket that is open already");
  run->add_option("--channel", job.channel, "Descriptor of that socket")->required();

  std::string trace = "ebpf";
  const auto add_trace = [&](CLI::App* mode) {
    mode->add_option("--trace", trace, "What tells the calls: ebpf (where it can be had), notify")
        ->capture_default_str()
        ->check(CLI::IsMember({"ebpf", "notify"}));
  };
  add_trace(run);

  CheckOptions check;
  auto* look = app.add_subcommand("check", "Say what this host can do for sandboxes");
  look->add_flag("--json", check.json, "As JSON");

  ServeOptions serve;
  auto* service = app.add_subcommand("serve", "Run jobs for root's programs, one process for each, with quotas");
  service->add_option("--socket", serve.socket, "Where to listen")->capture_default_str();
  service->add_option("--state", serve.state, "Folder of the ledger and of what is kept")->capture_default_str();
  service->add_option("--ready", serve.ready, "Sandboxes kept ready for the next jobs")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  service->add_flag("--new-machines", serve.new_machines,
                    "Keep only the processes of virtual machines ready: make each machine with its job");
  service->add_option("--jobs", serve.quota.jobs, "Jobs at once, for each caller")->capture_default_str();
  service->add_option("--cpu-per-hour", serve.cpu_s, "Seconds of processor time an hour, for each caller")
      ->capture_default_str();
  service->add_option("--bytes-per-hour", serve.quota.bytes_per_hour, "Bytes put in, written and told an hour")
      ->capture_default_str();
  add_trace(service);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : exit_usage;
  }
  job.ebpf = serve.ebpf = trace == "ebpf";
  const auto done = run->parsed() ? run_job(job) : look->parsed() ? run_check(check) : run_serve(serve);
  return done ? 0 : fail(done.error());
}
