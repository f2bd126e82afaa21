// shrike-agent: options, then one of its modes.

#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "agent/config.h"
#include "agent/daemon.h"
#include "agent/deny_list.h"
#include "agent/replay.h"
#include "agent/rules_loader.h"
#include "agent/shipping.h"
#include "common/base/clock.h"

namespace shrike::agent {
namespace {

constexpr int exit_config = 2;  ///< what was given cannot be used
constexpr int exit_failed = 1;  ///< it could, but something did not work

struct Flags {
  std::string config = "/etc/shrike/agent.toml";
  bool config_given = false;
  std::string node, state_dir, nats_url, metrics_listen, log_level;
  bool metrics_given = false;
  std::vector<std::string> rules;
  bool check = false, print_identity = false, print_features = false, json = false, seal = false, publish = false;
  std::string capture, replay;
};

/// The file, then the flags over it. Without --config a missing file means the defaults.
Result<Config> configuration(const Flags& flags) {
  Config config;
  if (flags.config_given || std::filesystem::exists(flags.config)) config = TRY(load_config(flags.config));
  if (!flags.node.empty()) config.node = flags.node;
  if (!flags.state_dir.empty()) config.state_dir = flags.state_dir;
  if (!flags.nats_url.empty()) config.nats.url = flags.nats_url;
  if (flags.metrics_given) config.metrics.listen = flags.metrics_listen;
  if (!flags.log_level.empty()) config.log.level = flags.log_level;
  if (!flags.rules.empty()) config.rules.files = flags.rules;
  TRY_VOID(check_config(config));
  return config;
}

int fail(int code, const Error& error) {
  spdlog::error("{}", error.message);
  return code;
}

int check(const Config& config) {
  std::vector<scoring::RuleStatus> statuses;
  auto rules = load_rules(config.rules.files, host_name(), config.rules.first);
  if (!rules) return fail(exit_config, rules.error());
  using State = scoring::RuleStatus::State;
  for (const auto& status : rules->statuses)
    if (status.state == State::unsupported || (status.state == State::loaded && !status.reason.empty()))
      std::cout << status.file << ":" << status.line << ":" << status.column << ": rule \"" << status.rule << "\""
                << (status.state == State::unsupported ? " is not supported: " : ": ") << status.reason << "\n";
  const auto denials = deny_list(config.response, rules->rules);
  for (const auto& [rule, reason] : denials.denying.why_not)
    spdlog::error("[response.rules] \"{}\" = \"deny\": {}", rule, reason);
  if (!denials.denying.why_not.empty()) return exit_config;
  std::cout << "good: " << rules->rules.size() << " rules\n";
  return 0;
}

int print_identity(const Config& config) {
  const auto identity = load_identity(config);
  if (!identity) return fail(exit_failed, identity.error());
  // Labelled like the collector's; shrike-add-node(8) reads these lines.
  std::cout << "node " << identity->node << "\nnkey " << identity->nats_key.public_key().nkey() << "\nkey "
            << identity->key.public_key().to_hex() << "\n";
  return 0;
}

int print_features(const Config& config) {
  auto rules = load_rules(config.rules.files, host_name(), config.rules.first);
  if (!rules) return fail(exit_config, rules.error());
  const auto source = probe::KernelSource::open({}, filter_for(rules->rules, config.filter.kinds));
  if (!source) return fail(exit_failed, source.error());
  const auto& features = source->features();
  const auto line = [](const char* name, bool have) { std::cout << name << " " << (have ? "yes" : "no") << "\n"; };
  line("task_iterator", features.task_iterator);
  line("io_uring_ops", features.io_uring_ops);
  line("signal_origin", features.signal_origin);
  line("tcp_state", features.tcp_state);
  line("cgroup_v2", features.cgroup_v2);
  line("bpf_lsm", features.bpf_lsm);
  for (const auto& note : features.notes) std::cout << "# " << note << "\n";
  return 0;
}

/// Prints alerts; with --seal they and the events also go into the spool of the state folder.
class Printer : public Sink {
 public:
  Printer(bool json, Shipping* shipping) : json_(json), shipping_(shipping) {}
  void event(const Event& event) override {
    if (shipping_ == nullptr) return;
    shipping_->event(event);
    if (++events_ % 256 == 0) note(shipping_->seal());
  }
  void alert(const Alert& alert) override {
    std::cout << (json_ ? alert_to_json(alert) : alert_to_text(alert, false)) << "\n";
    if (shipping_ != nullptr) shipping_->alert(alert);
  }
  void note(Result<void> done) {
    if (!done && failure_.empty()) failure_ = done.error().message;
  }
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  bool json_;
  Shipping* shipping_;
  uint64_t events_ = 0;
  std::string failure_;
};

constexpr auto publish_patience = std::chrono::minutes(5);

/// Time and processor time spent so far.
struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;

  static Cost now() {
    timespec cpu{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return {static_cast<double>(boot_now_ns()) * 1e-9,
            static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9};
  }
  [[nodiscard]] std::string since(const Cost& start, uint64_t records, const char* done) const {
    const double took = seconds - start.seconds;
    const double cpu = cpu_seconds - start.cpu_seconds;
    char line[160];
    std::snprintf(line, sizeof line, "%s in %.3f s (%.0f records/s), %.3f s of processor time (%.0f records/s)\n", done,
                  took, static_cast<double>(records) / std::max(took, 1e-9), cpu,
                  static_cast<double>(records) / std::max(cpu, 1e-9));
    return line;
  }
};

int run_replay(const Flags& flags, const Config& config) {
  const std::string host = host_name();
  auto rules = load_rules(config.rules.files, host, config.rules.first);
  if (!rules) return fail(exit_config, rules.error());
  std::unique_ptr<Shipping> shipping;
  std::string node = config.node.empty() ? node_of_host(host) : config.node;
  if (flags.seal) {
    auto identity = load_identity(config);
    if (!identity) return fail(exit_failed, identity.error());
    node = identity->node;
    auto opened = Shipping::open(config, std::move(identity).value(), SHRIKE_VERSION);
    if (!opened) return fail(exit_failed, opened.error());
    shipping = std::move(opened).value();
    shipping->set_policy(policy_digest(rules->rules, filter_for(rules->rules, config.filter.kinds)));
    if (flags.publish)
      if (auto started = shipping->start_publishing(); !started) return fail(exit_failed, started.error());
  }
  Printer printer(flags.json, shipping.get());
  ReplayOptions options;
  options.capture = flags.replay;
  options.node = node;
  options.table.processes = config.processes.max;
  options.etc = "/etc";
  const Cost start = Cost::now();
  const auto summary = replay(options, std::move(rules->rules), printer);
  if (!summary) return fail(exit_failed, summary.error());
  if (shipping != nullptr) printer.note(shipping->seal(true));
  std::cout.flush();
  std::cerr << summary_text(*summary) << Cost::now().since(start, summary->counts.records, "replayed");
  if (flags.publish) {
    shipping->stop(publish_patience);
    Status status;
    shipping->describe(status);
    for (const auto& [lane, state] : status.lanes)
      if (state.acked_seq != state.sealed_seq)
        printer.note(Error{"lane " + lane + ": the collector has only " + std::to_string(state.acked_seq) + " of " +
                           std::to_string(state.sealed_seq) + " batches; the rest stays in the spool"});
    std::cerr << Cost::now().since(start, summary->counts.records, "acknowledged");
  }
  if (!printer.failure().empty()) return fail(exit_failed, Error{printer.failure()});
  return summary->damage.empty() ? 0 : exit_failed;
}

int run_daemon(const Flags& flags, Config config) {
  auto rules = load_rules(config.rules.files, host_name(), config.rules.first);
  if (!rules) return fail(exit_config, rules.error());
  DaemonOptions options{.config = std::move(config),
                        .rules = std::move(rules).value(),
                        .read_config = [flags] { return configuration(flags); },
                        .version = SHRIKE_VERSION,
                        .capture = flags.capture};
  auto daemon = Daemon::start(std::move(options));
  if (!daemon) return fail(exit_failed, daemon.error());
  if (auto ended = daemon->run(); !ended) return fail(exit_failed, ended.error());
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app{"Watches every process of this host from inside the kernel and streams signed evidence."};
  app.set_version_flag("--version", "shrike-agent " SHRIKE_VERSION);
  Flags flags;
  auto* config_option = app.add_option("--config", flags.config, "Configuration file")->capture_default_str();
  app.add_option("--node", flags.node, "This host's id (over the file's)");
  app.add_option("--state-dir", flags.state_dir, "State folder (over the file's)");
  app.add_option("--nats-url", flags.nats_url, "NATS server (over the file's)");
  app.add_option("--rules", flags.rules, "Rule file, may be repeated (instead of the file's)");
  auto* metrics = app.add_option("--metrics-listen", flags.metrics_listen, "Loopback address:port, empty for none");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warning, error or off");
  auto* check_flag = app.add_flag("--check-config", flags.check, "Check configuration and rules, then stop");
  auto* identity_flag = app.add_flag("--print-identity", flags.print_identity,
                                     "Print node, NATS key and signing key (made if there are none), then stop");
  auto* features_flag =
      app.add_flag("--print-features", flags.print_features, "Print what this kernel allows, then stop");
  auto* capture = app.add_option("--capture", flags.capture, "Also write every kernel record to this new file");
  auto* replay_option =
      app.add_option("--replay", flags.replay, "Run a capture instead of the kernel; alerts to stdout");
  app.add_flag("--json", flags.json, "With --replay: alerts as JSON, one a line")->needs(replay_option);
  auto* seal_flag = app.add_flag("--seal", flags.seal, "With --replay: also seal into the spool of the state folder")
                        ->needs(replay_option);
  app.add_flag("--publish", flags.publish, "With --seal: also publish, and wait until the collector has it all")
      ->needs(seal_flag);
  for (auto* mode : {check_flag, identity_flag, features_flag})
    for (auto* other : {check_flag, identity_flag, features_flag, static_cast<CLI::Option*>(replay_option)})
      if (mode != other) mode->excludes(other);
  replay_option->excludes(capture);
  CLI11_PARSE(app, argc, argv);
  flags.config_given = config_option->count() > 0;
  flags.metrics_given = metrics->count() > 0;

  auto config = configuration(flags);
  if (!config) return fail(exit_config, config.error());
  spdlog::set_level(spdlog::level::from_str(config->log.level));
  if (flags.check) return check(*config);
  if (flags.print_identity) return print_identity(*config);
  if (flags.print_features) return print_features(*config);
  if (!flags.replay.empty()) return run_replay(flags, *config);
  return run_daemon(flags, std::move(config).value());
}

}  // namespace
}  // namespace shrike::agent

int main(int argc, char** argv) {
  // Few threads allocate, and none much: one arena each would only spread the same memory over more pages.
  mallopt(M_ARENA_MAX, 2);
  spdlog::set_default_logger(spdlog::stderr_logger_mt("agent"));
  // The journal has its own time; a terminal gets one.
  spdlog::set_pattern(isatty(STDERR_FILENO) ? "%H:%M:%S.%e %^%l%$ %v" : "%l: %v");
  return shrike::agent::run(argc, argv);
}
