#include "agent/daemon.h"

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "agent/daemon_impl.h"
#include "agent/privileges.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::agent {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;

Result<Fd> signal_fd() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  // What would end the agent by default and means nothing to it. It may be told of, but not ended by it.
  sigset_t blocked = set;
  for (const int number : {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXCPU})
    sigaddset(&blocked, number);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) sigaddset(&blocked, number);
  if (::pthread_sigmask(SIG_BLOCK, &blocked, nullptr) != 0) return errno_error("pthread_sigmask");
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return errno_error("signalfd");
  return fd;
}

/// Name service modules are loaded on first use, which needs more system calls than what comes after.
void load_name_service() {
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &found) == 0) ::freeaddrinfo(found);
}

}  // namespace

namespace {
AlertProcess process_of_self() {
  AlertProcess process;
  process.pid = static_cast<uint32_t>(::getpid());
  process.name = "shrike-agent";
  std::error_code none;
  process.exe = std::filesystem::read_symlink("/proc/self/exe", none).string();
  process.cmdline = process.name;
  process.uid = ::getuid();
  process.user = process.uid == 0 ? "root" : "";
  process.container_id = "host";
  return process;
}
}  // namespace

SelfWatch::Self self_of(const probe::KernelSource& source) {
  const auto ids = source.ids();
  SelfWatch::Self self;
  self.pid = static_cast<uint32_t>(::getpid());
  self.parent_pid = static_cast<uint32_t>(::getppid());
  self.programs.insert(ids.programs.begin(), ids.programs.end());
  self.maps.insert(ids.maps.begin(), ids.maps.end());
  self.links.insert(ids.links.begin(), ids.links.end());
  return self;
}

void log_rules(const LoadedRules& loaded) {
  using State = scoring::RuleStatus::State;
  for (const auto& status : loaded.statuses) {
    if (status.state != State::loaded && status.state != State::disabled)
      spdlog::warn("rule \"{}\" is not loaded: {}:{}:{}: {}", status.rule, status.file, status.line, status.column,
                   status.reason);
    if (status.state == State::loaded && !status.reason.empty())
      spdlog::info("rule \"{}\": {}:{}:{}: {}", status.rule, status.file, status.line, status.column, status.reason);
  }
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::Daemon(Daemon&&) noexcept = default;
Daemon& Daemon::operator=(Daemon&&) noexcept = default;
Daemon::~Daemon() = default;

Result<Daemon> Daemon::start(DaemonOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  TRY_VOID(impl->set_up());
  return Daemon(std::move(impl));
}

Result<void> Daemon::Impl::set_up() {
  const Config& config = options.config;
  TRY_VOID(forbid_dumps());
  signals = TRY(signal_fd());
  load_name_service();

  LoadedRules loaded = std::move(options.rules);
  log_rules(loaded);
  Identity identity = TRY(load_identity(config));
  node = identity.node;
  public_key = identity.key.public_key().to_hex();
  sequence.emplace(config, identity.key);
  TRY_VOID(open_kernel(loaded));
  // Capabilities are a thread's: they go before the spool starts the first one. A file of the state folder that is not
  // root's own cannot be written from here on.
  needs = {.signals = config.response.uses(respond::Action::kill) || config.response.uses(respond::Action::stop),
           .network = config.response.uses(respond::Action::cut)};
  if (config.response.dry_run) needs = {};
  TRY_VOID(drop_capabilities(needs));
  shipping = TRY(Shipping::open(config, std::move(identity), options.version));
  running_file = config.state_dir + "/running";
  ended_badly = ::access(running_file.c_str(), F_OK) == 0;
  TRY_VOID(write_file_atomic(running_file, std::to_string(::getpid()) + "\n", 0600));
  TRY_VOID(open_pipeline(std::move(loaded)));
  pipeline->set_sequence(sequence->alerts(wall_now_ns()));
  open_response();
  if (config.sandbox.enabled) {
    sandboxing = TRY(Sandboxing::open(config, node, own_jobs));
    TRY_VOID(watch(sandboxing->fd()));
  }
  TRY_VOID(install_system_call_filter(needs));

  open_sandboxing();
  if (sandboxing)
    TRY_VOID(shipping->start_publishing([this](std::string message) { sandboxing->take_command(std::move(message)); }));
  else
    TRY_VOID(shipping->start_publishing());
  if (auto key = shipping->collector_key(); key && sandboxing) sandboxing->set_key(*key);
  open_http();
  hosts.ask_for(pipeline->rules().host_names());
  if (!config.metrics.listen.empty()) {
    const Listen listen = TRY(parse_listen(config.metrics.listen));
    // A port that somebody else has is no reason not to watch.
    if (auto started = StatusServer::start(listen, board)) {
      server = std::move(started).value();
    } else {
      spdlog::warn("no metrics and no status: {}", started.error().message);
    }
  }
  return {};
}

Result<void> Daemon::Impl::open_kernel(const LoadedRules& loaded) {
  const Config& config = options.config;
  filter = filter_for(loaded.rules, config.filter.kinds);
  const DenyList denials = deny_list(config.response, loaded.rules);
  add_denials(filter, denials, respond::never_touched(config.response.never));
  denying = denials.denying;
  probe::ProbeOptions probe_options;
  probe_options.reserved_ring_bytes = config.rings.reserved_bytes;
  probe_options.shard_ring_bytes = config.rings.shard_bytes;
  probe_options.shards = config.rings.shards;
  probe_options.budget_per_s = config.filter.budget_per_s;
  probe_options.budget_burst = config.filter.budget_burst;
  std::vector<std::string> warnings;
  probe_options.sequence = sequence->begin(wall_now_ns(), warnings);
  source = TRY(probe::KernelSource::open(probe_options, filter));
  for (const auto& warning : warnings) {
    spdlog::warn("{}", warning);
    early_alerts.push_back(integrity_alert(wall_now_ns(), "Sequence scoring impaired", Severity::medium, warning));
  }
  features = source->features();
  if (!options.capture.empty())
    capture.emplace(TRY(probe::CaptureWriter::create(options.capture, probe::capture_info_here())));

  epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return errno_error("epoll");
  TRY_VOID(watch(signals.get()));
  return watch(source->epoll_fd());
}

Result<void> Daemon::Impl::open_pipeline(LoadedRules loaded) {
  const Config& config = options.config;
  wall_offset_ns = shrike::wall_offset_ns();
  start_time_ns = wall_now_ns();
  own_process = process_of_self();
  shipping->set_policy(policy_digest(loaded.rules, filter));
  PipelineOptions wiring;
  wiring.node = node;
  wiring.wall_offset_ns = wall_offset_ns;
  wiring.table.processes = config.processes.max;
  wiring.roots.containers = config.containers.root;
  wiring.self = self_of(*source);
  wiring.findings.quiet_ns = config.findings.quiet_s * second_ns;
  outputs.emplace(*shipping);
  pipeline.emplace(std::move(wiring), std::move(loaded.rules), *outputs);

  for (const auto& line : own_jobs.find_programs(own_program_paths())) spdlog::warn("{}", line);
  pipeline->set_own_jobs(&own_jobs);

  on_record = [this](std::span<const std::byte> record) {
    if (capture) {
      if (auto written = capture->write(record); !written) {
        spdlog::error("capture stopped: {}", written.error().message);
        capture.reset();
      }
    }
    pipeline->feed(record);
  };
  // Without the iterator processes become known as they do something.
  if (features.task_iterator) spdlog::info("{} processes were there before us", TRY(source->prime(on_record)));
  return {};
}

void Daemon::Impl::open_response() {
  const respond::Policy& policy = options.config.response;
  if (policy.rules.empty() && policy.risk.empty()) return;
  const auto untouchable = respond::protected_here(policy.never);
  hands.emplace(
      untouchable, [this](uint32_t pid) { return pipeline->table().find_pid(pid); },
      [this] { return source->set_deny(probe::KernelSource::Deny::tell); });
  responder.emplace(policy, untouchable, *hands);
  pipeline->set_responder(&*responder);
  if (policy.acts())
    spdlog::warn("the agent acts on alerts{}: at most {} times a minute",
                 policy.dry_run ? " (dry run: only tells)" : "", policy.max_per_minute);
  begin_denying(std::move(denying));
}

/// Where the kernel cannot, says so for each rule, loudly.
void Daemon::Impl::begin_denying(respond::Denying next) {
  using Deny = probe::KernelSource::Deny;
  const bool dry_run = options.config.response.dry_run;
  std::string failed;
  if (!next.rules.empty()) {
    if (!features.denies)
      failed = "the kernel cannot refuse calls: BPF LSM is not active, or refuses our hooks";
    else if (const auto set = source->set_deny(dry_run || responder->counts().breaker_open ? Deny::tell : Deny::refuse);
             !set)
      failed = set.error().message;
  }
  if (!failed.empty())
    for (const auto& [number, rule] : std::exchange(next.rules, {})) next.why_not[rule] = failed;
  for (const auto& [number, rule] : next.rules)
    spdlog::warn("calls that rule \"{}\" tells of are refused{}", rule, dry_run ? " (dry run: only told)" : "");
  for (const auto& [rule, reason] : next.why_not) {
    const std::string text = "Response \"deny\" of rule \"" + rule + "\" is not in force: " + reason;
    spdlog::warn("{}", text);
    raise({integrity_alert(wall_now_ns(), "Deny not in force", Severity::high, text)});
  }
  denying = next;
  responder->set_denying(std::move(next));
}

void Daemon::Impl::open_sandboxing() {
  if (!sandboxing) return;
  for (const auto& line : sandboxing->start(options.config, node)) spdlog::warn("{}", line);
  if (options.config.sandbox.from_collector) spdlog::info("the collector may order programs to be detonated here");
}

void Daemon::Impl::open_http() {
  const auto& config = options.config.outputs.http;
  if (config.url.empty()) return;
  HttpOptions http_options;
  http_options.target = *parse_http_url(config.url);  // check_config has looked at all three
  http_options.format = *format_named(config.format);
  http_options.severity = *severity_named(config.severity);
  http_options.ca_file = config.ca_file;
  http_options.timeout_ms = config.timeout_ms;
  http_options.queue_max = config.queue;
  http_options.version = options.version;
  http = std::make_unique<HttpOutput>(std::move(http_options));
  outputs->set_http(http.get());
  spdlog::info("alerts are posted to {} as {}", config.url, config.format);
}

Result<void> Daemon::Impl::watch(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll_ctl");
  return {};
}

}  // namespace shrike::agent
