// The loop: records in, batches out, and once a second a look at itself.

#include <fcntl.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "agent/daemon_impl.h"
#include "common/base/clock.h"

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t heartbeat_ns = 5 * second_ns;
constexpr uint64_t drain_patience_ns = 2 * second_ns;
constexpr uint64_t seal_every_ms = 100;  // telemetry grows old also when nothing comes
constexpr auto stop_patience = 5s;
constexpr uint32_t http_patience_ms = 2000;
constexpr uint64_t http_tell_every_ns = 60 * second_ns;
/// A clock that was set moves by more than this; the error of measuring is smaller.
constexpr int64_t clock_step_ns = 1'000'000;
constexpr const char* class_names[probe::event_class_count] = {"lifecycle", "privilege", "file", "network"};
constexpr const char* loss_names[probe::loss_count] = {"ring_full", "over_budget", "too_large"};

/// What the programs that beat must see; HealthWatch looks whether they did.
void make_heartbeat() {
  union bpf_attr attr {};
  attr.info.bpf_fd = static_cast<uint32_t>(-1);
  (void)::syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr);
  const Fd file(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  std::thread([] {}).join();
}

/// Whether something changed that a reload does not apply.
bool needs_restart(const Config& now, const Config& next) {
  return next.node != now.node || next.state_dir != now.state_dir || next.nats.url != now.nats.url ||
         next.nats.ca_file != now.nats.ca_file || next.nats.nkey_seed_file != now.nats.nkey_seed_file ||
         next.collector.public_key_file != now.collector.public_key_file || next.processes.max != now.processes.max ||
         next.metrics.listen != now.metrics.listen || next.spool.max_bytes != now.spool.max_bytes ||
         next.rings.reserved_bytes != now.rings.reserved_bytes || next.rings.shard_bytes != now.rings.shard_bytes ||
         next.rings.shards != now.rings.shards || next.filter.budget_per_s != now.filter.budget_per_s ||
         next.filter.budget_burst != now.filter.budget_burst || next.findings.quiet_s != now.findings.quiet_s ||
         next.containers.root != now.containers.root || next.sandbox.enabled != now.sandbox.enabled ||
         next.sandbox.socket != now.sandbox.socket || next.sandbox.service != now.sandbox.service ||
         next.sandbox.from_collector != now.sandbox.from_collector ||
         next.sequence.from_collector != now.sequence.from_collector || next.sandbox.jobs != now.sandbox.jobs ||
         next.sandbox.events_per_s != now.sandbox.events_per_s || next.sandbox.rules != now.sandbox.rules ||
         next.sandbox.background != now.sandbox.background || next.outputs.http.url != now.outputs.http.url ||
         next.outputs.http.format != now.outputs.http.format ||
         next.outputs.http.severity != now.outputs.http.severity ||
         next.outputs.http.ca_file != now.outputs.http.ca_file ||
         next.outputs.http.timeout_ms != now.outputs.http.timeout_ms ||
         next.outputs.http.queue != now.outputs.http.queue;
}

/// Whether a response wants what was given up at the start, or there is none to change.
bool response_needs_restart(const respond::Policy& next, const ResponseNeeds& kept, bool responds) {
  const bool signals = next.uses(respond::Action::kill) || next.uses(respond::Action::stop);
  if (!responds) return !next.rules.empty() || !next.risk.empty();
  return !next.dry_run && ((signals && !kept.signals) || (next.uses(respond::Action::cut) && !kept.network));
}

}  // namespace

Result<void> Daemon::run() {
  Impl& impl = *impl_;
  const uint64_t now = wall_now_ns();
  const std::string started = "Shrike agent " + impl.options.version + " watches " + impl.node;
  if (impl.ended_badly) {
    spdlog::warn("the agent did not end by itself the last time: what happened meanwhile was not seen");
    impl.raise({integrity_alert(
        now, "Agent started", Severity::medium,
        started + "; the last time it did not end by itself, and what happened meanwhile " + "was not seen")});
  } else {
    impl.raise({integrity_alert(now, "Agent started", Severity::info, started)});
  }
  impl.raise(feature_alerts(now, impl.features));
  impl.raise(std::exchange(impl.early_alerts, {}));
  for (const auto& note : impl.features.notes) spdlog::warn("{}", note);
  spdlog::info("watching as node {}: {} rules, key {}", impl.node, impl.pipeline->rules().size(), impl.public_key);
  if (!impl.shipping->can_be_acknowledged())
    spdlog::warn("{} is not there yet: until it is, nothing counts as delivered and the spool keeps it all",
                 impl.options.config.collector.public_key_file);
  impl.tick(boot_now_ns());
  impl.manager.ready("watching");
  while (!impl.stopping) {
    if (auto went = impl.round(); !went) return went.error();
  }
  impl.end();
  return {};
}

Result<void> Daemon::Impl::round() {
  const uint64_t now = boot_now_ns();
  if (now >= next_tick_ns) tick(now);
  const uint64_t to_tick_ms = (next_tick_ns - std::min(now, next_tick_ns)) / 1'000'000 + 1;
  const uint64_t left_ms = busy ? 0 : std::min(to_tick_ms, seal_every_ms);
  epoll_event ready[3];
  const int count = ::epoll_wait(epoll.get(), ready, 3, static_cast<int>(left_ms));
  if (count < 0 && errno != EINTR) return errno_error("epoll_wait");
  bool records = busy || count == 0;  // KernelSource::poll: a record may be there without waking us
  // A job that keeps waking us must not keep us from the rings: they are looked at with it.
  for (int i = 0; i < count; ++i) (ready[i].data.fd == signals.get() ? signalled : records) = true;
  if (signalled) handle_signals();
  finish_reload();
  if (records) busy = TRY(source->poll(0ms, on_record)) != 0;
  drain_sandboxing();
  seal(false);
  return {};
}

void Daemon::Impl::drain_sandboxing() {
  if (sandboxing) sandboxing->drain(boot_now_ns(), *shipping, *outputs, *pipeline);
}

void Daemon::Impl::handle_signals() {
  signalled = false;
  signalfd_siginfo info;
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      begin_reload(true);
    } else {
      spdlog::info("{} from process {} (user {}): stopping", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT",
                   info.ssi_pid, info.ssi_uid);
      stopping = true;
    }
  }
}

// The verifier takes seconds for the next generation of programs. Meanwhile the loop goes on: it must not, because of a
// reload, lose what the rings have no room for.
void Daemon::Impl::begin_reload(bool looked) {
  reload_looked = reload_looked || looked;
  if (reloading.valid()) {
    reload_again = true;
    return;
  }
  manager.reloading();
  reloading =
      std::async(std::launch::async, [this, by_somebody = std::exchange(reload_looked, false)]() -> Result<Reload> {
        Config config = TRY(options.read_config());
        LoadedRules loaded = TRY(load_rules(config.rules.files, host_name(), config.rules.first));
        FilterSpec wanted = filter_for(loaded.rules, config.filter.kinds);
        const respond::Policy& policy = response_needs_restart(config.response, needs, responder.has_value())
                                            ? options.config.response
                                            : config.response;
        DenyList denials = deny_list(policy, loaded.rules);
        add_denials(wanted, denials, respond::never_touched(policy.never));
        std::vector<std::string> warnings;
        const bool anew =
            sequence_anew || config.sequence != options.config.sequence || sequence->fleet_changed(config);
        if (anew) {
          const auto begin = sequence->renewal(config, source->sequence_profiles(), wall_now_ns(), warnings);
          TRY_VOID(source->reload(wanted, &begin));
        } else {
          TRY_VOID(source->reload(wanted));
        }
        for (const auto& warning : warnings) spdlog::warn("{}", warning);
        return Reload{std::move(config),          std::move(loaded), std::move(wanted), anew,
                      std::move(denials.denying), by_somebody};
      });
}

void Daemon::Impl::finish_reload() {
  if (!reloading.valid() || reloading.wait_for(0s) != std::future_status::ready) return;
  auto next = reloading.get();
  const uint64_t now = wall_now_ns();
  if (next) {
    ++reloads;
    apply(std::move(next).value());
    const std::string rules = std::to_string(pipeline->rules().size()) + " rules";
    spdlog::info("reloaded: {}", rules);
    raise(
        {integrity_alert(now, "Agent reloaded", Severity::info, "Configuration and rules were read again: " + rules)});
    manager.ready("watching");
  } else {
    ++reloads_failed;
    const std::string& why = next.error().message;
    spdlog::error("reload refused, the old configuration and rules stay in force: {}", why);
    raise({integrity_alert(now, "Agent reload refused", Severity::low, why)});
    manager.ready("watching with the old rules: " + why);
  }
  if (std::exchange(reload_again, false)) begin_reload(false);
}

void Daemon::Impl::apply(Reload next) {
  log_rules(next.loaded);
  filter = std::move(next.filter);
  features = source->features();
  shipping->set_policy(policy_digest(next.loaded.rules, filter));
  pipeline->set_rules(std::move(next.loaded.rules));
  hosts.ask_for(pipeline->rules().host_names());
  pipeline->set_self(self_of(*source));
  for (const auto& line : own_jobs.find_programs(own_program_paths())) spdlog::warn("{}", line);
  spdlog::set_level(spdlog::level::from_str(next.config.log.level));
  if (needs_restart(options.config, next.config))
    spdlog::warn(
        "only rules, filter.kinds, response, sequence and log.level are applied by a reload; the rest waits for a "
        "restart");
  if (response_needs_restart(next.config.response, needs, responder.has_value())) {
    spdlog::warn("response: it needs what the agent has given up; the old one stays in force until a restart");
  } else if (responder) {
    const auto untouchable = respond::protected_here(next.config.response.never);
    hands->set_untouchable(untouchable);
    responder->set_policy(next.config.response, untouchable, next.looked);
    options.config.response = next.config.response;
  }
  if (responder) begin_denying(std::move(next.denying));
  options.config.rules = next.config.rules;
  options.config.filter.kinds = next.config.filter.kinds;
  options.config.log = next.config.log;
  if (next.sequence_anew) {
    sequence->renewed(next.config, wall_now_ns());
    pipeline->set_sequence(sequence->alerts(wall_now_ns()));
  }
  options.config.sequence = next.config.sequence;
  sequence_anew = false;
  ::malloc_trim(0);
}

void Daemon::Impl::tick(uint64_t boot_ns) {
  next_tick_ns = boot_ns + second_ns;
  follow_clock();
  const uint64_t wall_ns = boot_ns + static_cast<uint64_t>(wall_offset_ns);
  const auto kernel = source->counters();
  if (boot_ns >= next_heartbeat_ns) {
    next_heartbeat_ns = boot_ns + heartbeat_ns;
    raise(health.on_heartbeat(wall_ns, kernel.programs, filter.kinds[static_cast<size_t>(EventKind::open)]));
    make_heartbeat();
  }
  raise(health.on_losses(wall_ns, {kernel, pipeline->counts().undecodable}));
  pipeline->tick(wall_ns);
  if (auto found = hosts.take()) pipeline->set_hosts(std::move(found));
  shipping->set_losses(losses(kernel));
  seal(false);
  if (capture)
    if (auto flushed = capture->flush(); !flushed) spdlog::error("capture: {}", flushed.error().message);
  look_after_shipping(wall_ns);
  look_after_http(wall_ns);
  look_after_sequence(wall_ns);
  post_status(kernel);
  if (manager.watchdog_period().count() > 0) manager.alive();
}

void Daemon::Impl::look_after_shipping(uint64_t wall_ns) {
  const bool had_key = shipping->can_be_acknowledged();
  for (const auto& line : shipping->look_after()) {
    spdlog::warn("{}", line);
    raise({integrity_alert(wall_ns, "Evidence damaged", Severity::high, line)});
  }
  if (had_key || !shipping->can_be_acknowledged()) return;
  spdlog::info("the collector's key has come");
  if (auto key = shipping->collector_key(); key && sandboxing) sandboxing->set_key(*key);
}

void Daemon::Impl::look_after_sequence(uint64_t wall_ns) {
  if (reloading.valid()) return;  // it may be giving it a new beginning
  for (const auto& word : sequence->tick(*source, *shipping, wall_ns)) {
    spdlog::warn("{}", word);
    raise({integrity_alert(wall_ns, "Sequence scoring impaired", Severity::medium, word)});
  }
  if (const uint64_t taken = sandboxing ? sandboxing->profiles_taken() : 0; taken != fleet_taken) {
    fleet_taken = taken;
    spdlog::info("the collector sent profiles of programs: they are taken in");
    return begin_reload(false);
  }
  if (!sequence->wants_renewal(wall_ns)) return;
  spdlog::warn("sequence scoring has no room for more: what was not executed for longest is forgotten");
  sequence_anew = true;
  begin_reload(false);
}

void Daemon::Impl::look_after_http(uint64_t wall_ns) {
  if (http == nullptr) return;
  http->look_after();
  const auto counts = http->counts();
  const uint64_t lost = counts.dropped + counts.refused;
  if (lost == http_lost_told || wall_ns < http_tell_again_ns) return;
  http_tell_again_ns = wall_ns + http_tell_every_ns;
  const std::string what = std::to_string(lost - http_lost_told) + " alerts did not reach the webhook, " +
                           std::to_string(lost) + " since the agent started: " + counts.last_error;
  http_lost_told = lost;
  spdlog::warn("{}", what);
  Alert alert = integrity_alert(wall_ns, "Alerts not posted", Severity::low, what);
  alert.fields = {{"dropped", std::to_string(counts.dropped)}, {"refused", std::to_string(counts.refused)}};
  raise({std::move(alert)});
}

void Daemon::Impl::follow_clock() {
  const int64_t offset = shrike::wall_offset_ns();
  if (std::abs(offset - wall_offset_ns) < clock_step_ns) return;
  wall_offset_ns = offset;
  pipeline->set_wall_offset(offset);
}

void Daemon::Impl::seal(bool all) {
  auto sealed = shipping->seal(all);
  if (!sealed && !spool_failing) spdlog::error("{}", sealed.error().message);
  if (sealed && spool_failing) spdlog::info("the spool can be written again");
  spool_failing = !sealed;
}

void Daemon::Impl::raise(std::vector<Alert> alerts) {
  if (own_process.start_ns == 0)
    if (const Process* self = pipeline->table().find_pid(own_process.pid))
      own_process.start_ns = self->start_ns + static_cast<uint64_t>(wall_offset_ns);
  for (auto& alert : alerts) {
    alert.process = own_process;
    pipeline->raise(std::move(alert));
  }
}

Losses Daemon::Impl::losses(const probe::Counters& kernel) const {
  Losses out;
  const auto add = [&](const char* cause, const char* loss_class, uint64_t count) {
    if (count != 0) out[{cause, loss_class}] = count;
  };
  for (size_t c = 0; c < probe::event_class_count; ++c)
    for (size_t l = 0; l < probe::loss_count; ++l) add(loss_names[l], class_names[c], kernel.lost[c][l]);
  add("undecodable", "unknown", pipeline->counts().undecodable);
  if (sandboxing) sandboxing->add_losses(out);
  return out;
}

void Daemon::Impl::post_status(const probe::Counters& kernel) {
  Status status;
  status.version = options.version;
  status.node = node;
  status.public_key = public_key;
  status.start_time_ns = start_time_ns;
  status.time_ns = wall_now_ns();
  status.features = features;
  for (size_t kind = 0; kind < event_kind_count; ++kind)
    if (filter.kinds[kind]) status.kinds.emplace_back(kind_name(static_cast<EventKind>(kind)));
  status.filter_prefixes = filter.prefixes.size();
  status.filter_names = filter.names.size();
  status.rules = pipeline->rules().size();
  status.rules_digest = pipeline->rules().digest();
  status.reloads = reloads;
  status.reloads_failed = reloads_failed;
  status.counts = pipeline->counts();
  status.kernel = kernel;
  for (const auto& [key, count] : shipping->losses(losses(kernel))) status.losses[{key.cause, key.loss_class}] = count;
  const auto& table = pipeline->table();
  status.table = {table.size(), table.live(), table.evicted_live(), table.text_bytes(), table.bound_bytes()};
  shipping->describe(status);
  if (http != nullptr) status.http = http->counts();
  status.sequence = sequence->status();
  if (responder) status.response = responder->counts();
  if (sandboxing) sandboxing->describe(status.sandbox);
  status.rss_bytes = resident_bytes();
  board.post(std::move(status));
}

void Daemon::Impl::end() {
  manager.stopping("delivering what is there");
  if (reloading.valid()) reloading.wait();
  // What was in the rings when we were asked to stop; new events may keep coming for ever.
  const uint64_t until = boot_now_ns() + drain_patience_ns;
  while (boot_now_ns() < until) {
    const auto polled = source->poll(0ms, on_record);
    if (!polled || *polled == 0) break;
  }
  if (sandboxing) {
    sandboxing->stop();
    // At most what an outbox holds.
    for (int round = 0; round < 256; ++round) drain_sandboxing();
  }
  raise({integrity_alert(wall_now_ns(), "Agent stopped", Severity::low, "The Shrike agent was asked to stop")});
  pipeline->flush();
  shipping->set_losses(losses(source->counters()));
  if (auto saved = sequence->end(*source, wall_now_ns()); !saved)
    spdlog::error("the profiles of sequence scoring could not be saved: {}", saved.error().message);
  source.reset();
  seal(true);
  if (capture)
    if (auto flushed = capture->flush(); !flushed) spdlog::error("capture: {}", flushed.error().message);
  server.reset();
  if (http != nullptr) http->stop(http_patience_ms);
  shipping->stop(stop_patience);
  ::unlink(running_file.c_str());
  spdlog::info("stopped");
}

}  // namespace shrike::agent
