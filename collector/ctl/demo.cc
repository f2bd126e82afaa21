#include "collector/ctl/demo.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "collector/ctl/commands.h"
#include "collector/ctl/times.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/folder.h"
#include "common/wire/subjects.h"
#include "scoring/sigma/load.h"

namespace shrike::ctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds ready_within{30'000};
// The agent seals and publishes what it has when it is stopped; nats-server and the collector have nothing to wait for.
constexpr milliseconds agent_patience{15'000};
constexpr milliseconds others_patience{10'000};
constexpr size_t log_lines_shown = 8;

bool readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return fd >= 0 && poll(&one, 1, 0) == 1;
}

/// A fresh NATS identity: the seed goes to `path`, the public key is returned.
Result<std::string> make_nkey(const std::string& path) {
  const PrivateKey key = PrivateKey::generate();
  TRY_VOID(write_file_atomic(path, key.nkey_seed() + "\n", 0600));
  return key.public_key().nkey();
}

/// Finds what is wrong with rule files before anything is started.
Result<void> check_rules(const std::vector<std::string>& given) {
  const std::vector<std::string> paths = TRY(files_of_folders(given, scoring::rule_file_endings));
  std::vector<scoring::RuleFile> files;
  for (const std::string& path : paths) {
    std::string text = TRY(read_file(path, 16u << 20));
    files.push_back({path, std::move(text)});
  }
  if (const auto rules = scoring::compile_rules(files, nullptr); !rules.ok()) return rules.error();
  return {};
}

/// nats-server's ports file: its name holds the program's name and the process id.
std::string ports_file(const std::string& dir, const Child& nats, const std::string& program) {
  return dir + "/" + program.substr(program.rfind('/') + 1) + "_" + std::to_string(nats.pid()) + ".ports";
}

}  // namespace

std::vector<std::string> default_rules() {
  // build/bin/shrike of a clone runs the clone's rules, not those of a package that may also be installed.
  for (const std::string& folder : {own_folder() + "/../share/shrike/rules", std::string("/etc/shrike/rules")}) {
    std::vector<std::string> files;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
      if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    if (!files.empty()) return files;
  }
  return {};
}

Demo::Demo(const DemoOptions& options, DemoState& state, Output& out, int signals)
    : options_(options), state_(state), out_(out), signals_(signals), reader_gone_(eventfd(0, EFD_CLOEXEC)) {}

Demo::~Demo() {
  for (auto* child : {&agent_, &sandbox_, &collector_, &nats_}) {
    if (child->has_value()) (*child)->stop(others_patience);
  }
}

void Demo::say(const std::string& text) const {
  if (options_.verbose) complain(text);
}

Error Demo::died(Child& child, const ChildEnd& end) const {
  std::string text = child.name() + " " + end.sentence();
  const auto lines = last_lines(child.log_file(), log_lines_shown);
  if (lines.empty()) return Error{text + " and logged nothing"};
  text += "; its last words:";
  for (const std::string& line : lines) text += "\n  " + line;
  if (state_.kept()) text += "\n(all of it: " + child.log_file() + ")";
  return Error{text};
}

Result<void> Demo::all_alive() {
  for (auto* child : {&nats_, &collector_, &agent_}) {
    if (!child->has_value()) continue;
    if (const auto end = (*child)->ended()) return died(**child, *end);
  }
  return {};
}

Result<void> Demo::wait_ready(Child& child, int also, const std::function<bool()>& ready) {
  const uint64_t deadline = boot_now_ns() + static_cast<uint64_t>(std::chrono::nanoseconds(ready_within).count());
  Progress progress;
  progress.show("starting " + child.name());
  while (!ready()) {
    TRY_VOID(all_alive());
    if (readable(signals_)) return Error{"ended before it had begun", EINTR};
    if (boot_now_ns() > deadline) {
      std::string text = child.name() + " is not ready after " + short_duration(ready_within);
      for (const std::string& line : last_lines(child.log_file(), log_lines_shown)) text += "\n  " + line;
      return Error{text};
    }
    // Wakes at once when the child ends or speaks; the rest is looked at again every 20 ms.
    pollfd fds[3] = {{child.pidfd(), POLLIN, 0}, {signals_, POLLIN, 0}, {also, POLLIN, 0}};
    (void)poll(fds, 3, 20);
  }
  return {};
}

Result<void> Demo::start_nats() {
  const std::string program = find_program("nats-server");
  if (program.empty()) return Error{"nats-server is not installed: apt install nats-server"};
  const std::string dir = state_.path("nats");
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() == ".ports") std::filesystem::remove(entry.path());
  }
  const std::string agent_nkey = TRY(make_nkey(state_.path("agent/nkey.seed")));
  const std::string collector_nkey = TRY(make_nkey(state_.path("collector/nkey.seed")));
  const std::string conf = state_.path("nats.conf");
  TRY_VOID(write_file_atomic(
      conf, nats_conf(dir, {agent_user(setup_.node, agent_nkey), collector_user(collector_nkey)}), 0600));
  nats_.emplace(TRY(Child::start({"nats-server", {program, "-c", conf}, {}, state_.path("nats.log")})));
  say("nats-server is process " + std::to_string(nats_->pid()) + ", logs to " + nats_->log_file());
  const std::string ports = ports_file(dir, *nats_, program);
  return wait_ready(*nats_, -1, [&] {
    const auto text = read_file(ports, 65536);
    if (text.ok()) setup_.nats_url = nats_url_of(*text);
    return !setup_.nats_url.empty();
  });
}

Result<void> Demo::start_collector() {
  const std::string program = find_program("shrike-collector");
  if (program.empty()) return Error{"shrike-collector is neither beside " + own_folder() + "/shrike nor on PATH"};
  const std::string conf = state_.path("collector.toml"), address_file = state_.path("collector/api");
  unlink(address_file.c_str());
  TRY_VOID(write_file_atomic(conf, collector_toml(setup_), 0600));
  NotifySocket notify = TRY(NotifySocket::open());
  collector_.emplace(TRY(Child::start(
      {"shrike-collector", {program, "--config", conf}, {notify.environment()}, state_.path("collector.log")})));
  say("shrike-collector is process " + std::to_string(collector_->pid()) + ", logs to " + collector_->log_file());
  TRY_VOID(wait_ready(*collector_, notify.fd(), [&] { return notify.ready(); }));
  std::string address = TRY(read_file(address_file, 4096));
  while (!address.empty() && address.back() <= ' ') address.pop_back();
  endpoint_ = TRY(parse_address(address));
  endpoint_.token_file = state_.path("collector/token");
  endpoint_.token = TRY(read_token(endpoint_.token_file));
  return {};
}

/// Without it nothing can be detonated; everything else works.
void Demo::start_sandbox() {
  constexpr size_t socket_path_max = 107;
  const std::string program = find_program("shrike-sandbox");
  const std::string socket = state_.path("sandbox.sock");
  if (program.empty()) return say("shrike-sandbox is not there: no program can be detonated");
  if (socket.size() > socket_path_max)
    return say(socket + " is too long for a socket's name: no program can be detonated");
  unlink(socket.c_str());
  auto started = Child::start({"shrike-sandbox",
                               {program, "serve", "--socket", socket, "--state", state_.path("sandbox")},
                               {},
                               state_.path("sandbox.log")});
  if (!started) return say(started.error().message);
  sandbox_.emplace(std::move(started).value());
  const auto ready = wait_ready(*sandbox_, -1, [&] { return access(socket.c_str(), F_OK) == 0 || sandbox_->ended(); });
  setup_.sandbox = ready.ok() && !sandbox_->ended();
  if (!setup_.sandbox)
    say("shrike-sandbox does not run here, so no program can be detonated: " + sandbox_->log_file());
  else
    say("shrike-sandbox is process " + std::to_string(sandbox_->pid()) + ", logs to " + sandbox_->log_file());
}

Result<void> Demo::start_agent() {
  const std::string program = find_program("shrike-agent");
  if (program.empty()) return Error{"shrike-agent is neither beside " + own_folder() + "/shrike nor on PATH"};
  const std::string conf = state_.path("agent.toml");
  TRY_VOID(write_file_atomic(conf, agent_toml(setup_), 0600));
  NotifySocket notify = TRY(NotifySocket::open());
  agent_.emplace(TRY(
      Child::start({"shrike-agent", {program, "--config", conf}, {notify.environment()}, state_.path("agent.log")})));
  say("shrike-agent is process " + std::to_string(agent_->pid()) + ", logs to " + agent_->log_file());
  return wait_ready(*agent_, notify.fd(), [&] { return notify.ready(); });
}

Result<void> Demo::start() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  setup_.dir = state_.dir();
  // A kept directory keeps its node's name, whatever the host is called today: key and chain belong to it.
  const auto known = read_file(state_.path("node"), 256);
  setup_.node = known.ok() && check_node_id(*known).ok() ? *known : node_id_of(host);
  TRY_VOID(write_file_atomic(state_.path("node"), setup_.node, 0600));
  setup_.metrics = options_.metrics;
  for (const std::string& file : options_.rules.empty() ? default_rules() : options_.rules) {
    setup_.rules.push_back(std::filesystem::absolute(file).lexically_normal().string());
  }
  TRY_VOID(check_rules(setup_.rules));
  if (state_.kept() && std::filesystem::exists(state_.path("collector/segments"))) {
    Progress progress;
    const auto before = collector::verify_state(state_.path("collector"), {}, shown_on(progress));
    if (before.ok()) {
      DemoSummary counted;
      add_evidence(counted, *before, 0, 0, {});
      events_before_ = counted.events;
      batches_before_ = before->batches;
      losses_before_ = counted.lost;
    }
  }
  started_ns_ = wall_now_ns();
  TRY_VOID(start_nats());
  TRY_VOID(start_collector());
  printer_ = std::make_unique<AlertPrinter>(endpoint_, started_ns_, options_.json, out_, reader_gone_.get());
  start_sandbox();
  TRY_VOID(start_agent());
  ready_ns_ = boot_now_ns();
  start_cpu_ = agent_->cpu_so_far();
  complain("watching node " + setup_.node +
           (options_.duration ? " for " + short_duration(*options_.duration) : std::string(" until Ctrl-C")) +
           "; alerts follow (try: cat /etc/shadow). From another terminal:\n  shrike --api " + endpoint_.address() +
           " --token-file " + endpoint_.token_file + " status" +
           (setup_.sandbox ? "\n  shrike run --agent " + setup_.dir +
                                 "/agent.sock -- sh -c 'cp /bin/true /tmp/t; /tmp/t; rm /tmp/t'"
                           : std::string()));
  return {};
}

Result<void> Demo::run() {
  for (;;) {
    int timeout = -1;
    if (options_.duration) {
      const auto left = *options_.duration - std::chrono::nanoseconds(boot_now_ns() - ready_ns_);
      if (left.count() <= 0) return {};
      timeout = static_cast<int>(std::min<int64_t>(std::chrono::ceil<milliseconds>(left).count(), 3'600'000));
    }
    pollfd fds[5] = {{signals_, POLLIN, 0},
                     {reader_gone_.get(), POLLIN, 0},
                     {nats_->pidfd(), POLLIN, 0},
                     {collector_->pidfd(), POLLIN, 0},
                     {agent_->pidfd(), POLLIN, 0}};
    if (poll(fds, 5, timeout) < 0 && errno != EINTR) return errno_error("poll");
    if (fds[0].revents != 0 || fds[1].revents != 0) return {};
    TRY_VOID(all_alive());
  }
}

void Demo::let_collector_catch_up() {
  // What the agent flushed is stored when it ends; here we wait until it is also printed.
  const uint64_t deadline = boot_now_ns() + 5'000'000'000;
  Client client(endpoint_);
  while (boot_now_ns() < deadline && !readable(signals_) && !out_.reader_gone()) {
    uint64_t stored = 0;
    const auto counted = client.lines("/v1/alerts", {{"since", rfc3339(started_ns_)}}, 5, [&](std::string_view line) {
      stored += !line.empty();
      return true;
    });
    if (!counted.ok() || printer_->count() >= stored) return;
    pollfd one{signals_, POLLIN, 0};
    (void)poll(&one, 1, 20);
  }
}

Result<DemoSummary> Demo::stop() {
  DemoSummary summary;
  summary.node = setup_.node;
  summary.ran = std::chrono::nanoseconds(boot_now_ns() - ready_ns_);
  // A second Ctrl-C ends the waiting.
  signalfd_siginfo first;
  if (readable(signals_)) (void)!read(signals_, &first, sizeof first);
  const ChildEnd agent = agent_->stop(agent_patience, signals_);
  summary.agent_start_cpu = start_cpu_;
  summary.agent_cpu = std::max(agent.cpu - start_cpu_, std::chrono::microseconds(0));
  summary.agent_resident_bytes = agent.max_resident_bytes;
  if (sandbox_) sandbox_->stop(others_patience, signals_);
  let_collector_catch_up();
  summary.alerts = printer_->stop();
  const ChildEnd collector = collector_->stop(others_patience, signals_);
  nats_->stop(others_patience, signals_);
  if (state_.kept()) summary.state = state_.dir();
  Progress progress;
  const auto report = collector::verify_state(state_.path("collector"), {}, shown_on(progress));
  if (!report.ok()) return report.error().in("cannot verify what was kept");
  add_evidence(summary, *report, events_before_, batches_before_, losses_before_);
  if (agent.signal != 0 || agent.exit_code != 0) complain(died(*agent_, agent).message);
  if (collector.signal != 0 || collector.exit_code != 0) complain(died(*collector_, collector).message);
  return summary;
}

int run_demo(const DemoOptions& options, Output& out) {
  if (geteuid() != 0) {
    complain("the demo must run as root, because the agent loads eBPF programs: sudo shrike demo");
    return exit_failed;
  }
  // Before any thread is there, so that all of them leave these to the signalfd.
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  auto state = DemoState::open(options.state);
  if (!state.ok()) {
    complain(state.error().message);
    return exit_failed;
  }
  Demo demo(options, *state, out, signals.get());
  auto went = demo.start();
  if (!went.ok() && went.error().code == EINTR) return exit_ok;
  if (went.ok()) went = demo.run();
  if (!went.ok()) {
    complain(went.error().message);
    return exit_failed;
  }
  const auto summary = demo.stop();
  if (!summary.ok()) {
    complain(summary.error().message);
    return exit_failed;
  }
  // With --json standard output belongs to the alerts alone.
  Output other(STDERR_FILENO);
  if (options.json) {
    other.line(summary_as_json(*summary));
  } else {
    for (const std::string& line : summary_as_text(*summary, out.colour())) out.line(line);
  }
  return summary->outcome == "refuted" ? exit_failed : exit_ok;
}

}  // namespace shrike::ctl
