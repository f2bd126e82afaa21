#include "agent/sandboxing.h"

#include "agent/pipeline.h"
#include "agent/rules_loader.h"
#include "agent/sequence_keeper.h"
#include "agent/shipping.h"
#include "common/base/file.h"

namespace shrike::agent {
namespace {

constexpr size_t background_max_bytes = 256u << 20;
constexpr size_t items_a_round = 512;  // the kernel's rings are looked at again after so many

Result<std::shared_ptr<const scoring::sequence::Profile>> load_background(const std::string& path) {
  if (path.empty()) return std::shared_ptr<const scoring::sequence::Profile>();
  const std::string bytes = TRY(read_file(path, background_max_bytes));
  auto profile = scoring::sequence::Profile::load(bytes);
  if (!profile) return profile.error().in("sandbox.background " + path);
  return std::shared_ptr<const scoring::sequence::Profile>(
      std::make_shared<scoring::sequence::Profile>(std::move(profile).value()));
}

}  // namespace

Result<std::unique_ptr<Sandboxing>> Sandboxing::open(const Config& config, const std::string& node, OwnJobs& own) {
  std::unique_ptr<Sandboxing> made(new Sandboxing);
  made->outbox_ = TRY(Outbox::make(config.sandbox.events_per_s));
  DetonatorOptions options;
  options.node = node;
  options.service = config.sandbox.service;
  options.own = &own;
  options.jobs = config.sandbox.jobs;
  const auto files = config.sandbox.rules.empty() ? config.rules.files : config.sandbox.rules;
  options.rules = [files, host = host_name(), first = config.rules.first]() -> Result<scoring::RuleSet> {
    return TRY(load_rules(files, host, first)).rules;
  };
  options.background = TRY(load_background(config.sandbox.background));
  made->detonator_ = std::make_unique<Detonator>(std::move(options), *made->outbox_);
  made->from_collector_ = config.sandbox.from_collector;
  return made;
}

Sandboxing::~Sandboxing() { stop(); }

std::vector<std::string> Sandboxing::start(const Config& config, const std::string& node) {
  std::vector<std::string> wrong;
  CommandRunnerOptions commands{config.state_dir + "/commands", node, config.sandbox.from_collector};
  if (config.sequence.from_collector && config.sequence.mode != "off") commands.fleet_file = fleet_file(config);
  if (auto runner = CommandRunner::start(std::move(commands), *detonator_, *outbox_))
    commands_ = std::move(runner).value();
  else
    wrong.push_back("commands of the collector are not taken: " + runner.error().message);
  if (config.sandbox.socket.empty()) return wrong;
  if (auto server = JobServer::start(config.sandbox.socket, *detonator_))
    server_ = std::move(server).value();
  else
    wrong.push_back("shrike run does not find this agent: " + server.error().message);
  return wrong;
}

void Sandboxing::take_command(std::string message) {
  if (commands_) commands_->take(std::move(message));
}

void Sandboxing::set_key(const PublicKey& key) {
  if (commands_) commands_->set_key(key);
}

void Sandboxing::drain(uint64_t boot_ns, Shipping& shipping, Sink& alerts, Pipeline& pipeline) {
  for (size_t i = 0; i < items_a_round; ++i) {
    auto item = outbox_->take(boot_ns);
    if (!item) return;
    if (!item->alert)
      shipping.encoded_event(item->event, item->time_ns);
    else if (item->raise)
      pipeline.raise(std::move(*item->alert));
    else
      alerts.alert(*item->alert);
  }
}

void Sandboxing::add_losses(Losses& losses) const {
  if (const uint64_t dropped = detonator_->counts().events_dropped; dropped != 0)
    losses[{"sandbox_dropped", "sandbox"}] = dropped;
  if (const uint64_t lost = outbox_->lost(); lost != 0) losses[{"queue_full", "sandbox"}] = lost;
}

void Sandboxing::stop() {
  detonator_->stop();
  outbox_->close();
  server_.reset();
  if (commands_) commands_->stop();
}

void Sandboxing::describe(Status::Sandbox& status) const {
  const auto jobs = detonator_->counts();
  status.enabled = true;
  status.from_collector = from_collector_;
  status.jobs = jobs.jobs;
  status.failed = jobs.failed;
  status.running = jobs.running;
  status.events_dropped = jobs.events_dropped;
  if (!commands_) return;
  status.commands = commands_->counts().messages;
  status.commands_refused = commands_->counts().refused;
}

}  // namespace shrike::agent
