#include "collector/collector.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/api.h"
#include "collector/intake.h"
#include "collector/state.h"
#include "collector/subscriber.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::collector {
namespace {

void log_note(bool trouble, const std::string& text) {
  if (trouble) {
    spdlog::warn("{}", text);
  } else {
    spdlog::info("{}", text);
  }
}

class Running : public Collector {
 public:
  Running(Config config, State state)
      : config_(std::move(config)),
        lock_(std::move(state.lock)),
        token_(std::move(state.token)),
        public_key_(state.key.public_key().to_hex()),
        registry_(std::move(state.registry)),
        key_(state.key),
        acks_(std::move(state.key), config_.name),
        started_ns_(wall_now_ns()) {
    acks_.restore(state.nodes);
    watch_.restore(state.nodes);
  }
  ~Running() override { stop(); }

  Result<void> start(Store store, Index index, const std::vector<NodeState>& nodes, std::vector<Alert> alerts);

  std::string api_address() const override {
    const std::string host = config_.api_host();
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(api_->port());
  }
  std::string status() const override {
    if (failed_) return "stopping: a part has failed";
    if (!metrics_.accepting) return "not accepting: the disk refuses, see the log";
    return subscriber_->connected() ? "accepting" : "waiting for NATS at " + config_.nats.url;
  }
  bool tick() override {
    intake_->tick();
    return !failed_;
  }
  void reload() override {
    if (auto read = registry_.reload(); !read) {
      spdlog::error("keys not read again, the old ones hold: {}", read.error().message);
    } else {
      spdlog::info("keys read again");
    }
  }
  void stop() override;

 private:
  Committer::Callbacks callbacks();

  Config config_;
  Fd lock_;
  std::string token_;
  std::string public_key_;
  Registry registry_;
  PrivateKey key_;
  AckBook acks_;
  uint64_t started_ns_;
  Watch watch_;
  Metrics metrics_;
  Feed<AlertRow> alerts_;
  Feed<VerdictRow> verdicts_;
  std::atomic<bool> failed_{false};
  // In this order they end: who uses another one goes first.
  std::unique_ptr<Subscriber> subscriber_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<CommandSender> commands_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Api> api_;
};

Committer::Callbacks Running::callbacks() {
  return {[this](const AckBook::Ack& ack) { subscriber_->send_ack(ack.body.node, ack.bytes); },
          [this](const Error& error) {
            spdlog::error("nothing is accepted any more: {}; trying again every second", error.message);
            intake_->tell(integrity_alert("Collector cannot store", Severity::critical, {}, Verdict::accepted,
                                          "Collector cannot store: " + error.message, wall_now_ns()));
          },
          [] { spdlog::info("the disk takes writes again"); },
          [this](const Error& error) {
            spdlog::error("the index is corrupt and will be made again at the next start: {}", error.message);
            suspect_index(config_.state_dir);
            failed_ = true;
          }};
}

Result<void> Running::start(Store store, Index index, const std::vector<NodeState>& nodes, std::vector<Alert> alerts) {
  const std::string path = index_path(config_.state_dir);
  committer_ = std::make_unique<Committer>(
      Committer::Parts{std::move(store), std::move(index), acks_, alerts_, verdicts_, metrics_}, callbacks());
  const auto verifier = [&](Lane lane) -> Result<Verifier> {
    return Verifier(lane, registry_, TRY(IndexReader::open(path)), committer_->committed(), nodes);
  };
  Verifier for_alerts = TRY(verifier(Lane::alerts));
  Verifier for_telemetry = TRY(verifier(Lane::telemetry));
  commands_ = TRY(CommandSender::open({commands_path(config_.state_dir), key_, config_.name,
                                       [this](const std::string& node, std::string_view bytes) {
                                         return subscriber_ && subscriber_->send_command(node, bytes);
                                       },
                                       log_note}));
  intake_ = std::make_unique<Intake>(
      Intake::Parts{*committer_,
                    acks_,
                    watch_,
                    metrics_,
                    {std::move(for_alerts), std::move(for_telemetry)},
                    Quarantine(config_.state_dir + "/quarantine"),
                    [this](const AckBook::Ack& ack) { subscriber_->send_ack(ack.body.node, ack.bytes); },
                    log_note,
                    [this](const std::string& node, std::vector<CommandNews> news) {
                      commands_->heard(node);
                      for (CommandNews& one : news) commands_->news(node, std::move(one));
                    }});

  api_ = TRY(Api::start(
      config_.api_host(), config_.api_port(),
      ApiParts{config_.state_dir, token_, config_.name, SHRIKE_VERSION, public_key_, config_.nats.url, key_,
               started_ns_, registry_, alerts_, verdicts_, metrics_, *commands_,
               [this] { return committer_->gauges(); }, [this] { return subscriber_ && subscriber_->connected(); }}));
  TRY_VOID(write_file_atomic(config_.state_dir + "/api", api_address() + "\n", 0644));

  std::string seed = config_.nats.nkey_seed_file;
  const std::string own_seed = config_.state_dir + "/nkey.seed";
  if (seed.empty() && ::access(own_seed.c_str(), F_OK) == 0) seed = own_seed;
  subscriber_ = TRY(Subscriber::make(
      {config_.nats.url, seed, config_.nats.ca_file, config_.nats.stream_max_bytes},
      [this](Lane lane, std::string_view subject, std::string_view bytes, std::unique_ptr<Receipt> receipt) {
        intake_->take(lane, subject, bytes, std::move(receipt));
      },
      log_note, metrics_));
  subscriber_->start();
  commands_->start();
  for (Alert& alert : alerts) intake_->tell(std::move(alert));
  return {};
}

void Running::stop() {
  if (!committer_) return;
  // The lanes may be waiting for room in the queue: the committer lets them go, then ends.
  alerts_.close();
  verdicts_.close();
  committer_->stop();
  if (commands_) commands_->stop();
  if (subscriber_) subscriber_->stop();
  if (api_) api_->stop();
  api_.reset();
  intake_.reset();
  commands_.reset();
  committer_.reset();
  subscriber_.reset();
  ::unlink((config_.state_dir + "/api").c_str());
}

}  // namespace

Result<std::unique_ptr<Collector>> Collector::start(const Config& config) {
  State state = TRY(open_state(config));
  for (const Note& note : state.notes) log_note(note.warning, note.text);
  Store store = std::move(state.store);
  Index index = std::move(state.index);
  const std::vector<NodeState> nodes = std::move(state.nodes);
  std::vector<Alert> alerts = std::move(state.alerts);
  state.nodes = nodes;
  auto running = std::make_unique<Running>(config, std::move(state));
  TRY_VOID(running->start(std::move(store), std::move(index), nodes, std::move(alerts)));
  return std::unique_ptr<Collector>(std::move(running));
}

}  // namespace shrike::collector
