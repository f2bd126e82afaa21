#include "agent/shipping.h"

#include <unistd.h>

#include "agent/ship/publisher.h"
#include "agent/ship/sealer.h"
#include "common/base/file.h"

namespace shrike::agent {
namespace {

using std::chrono::steady_clock;

constexpr size_t key_file_max_bytes = 4096;
constexpr auto look_for_key_every = std::chrono::seconds(5);

Result<PrivateKey> nats_key(const Config& config) {
  const std::string own = config.state_dir + "/nkey.seed";
  const std::string& path = config.nats.nkey_seed_file.empty() ? own : config.nats.nkey_seed_file;
  // Only the agent's own is made: another one that is not there is a mistake in the configuration.
  if (path == own && ::access(path.c_str(), F_OK) != 0) {
    const auto key = PrivateKey::generate();
    TRY_VOID(write_file_atomic(path, key.nkey_seed() + "\n", 0600));
    return key;
  }
  return PrivateKey::load_nkey(path);
}

/// Nothing when there is no such file yet.
Result<std::optional<PublicKey>> read_collector_key(const std::string& path) {
  auto text = read_file(path, key_file_max_bytes);
  if (!text && text.error().code == ENOENT) return std::optional<PublicKey>();
  if (!text) return text.error();
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' ')) text->pop_back();
  auto key = PublicKey::from_hex(*text);
  if (!key) return key.error().in(path);
  return std::optional<PublicKey>(*key);
}

}  // namespace

Result<Identity> load_identity(const Config& config) {
  TRY_VOID(make_dirs(config.state_dir, 0700));
  auto key = TRY(PrivateKey::load_or_create(config.state_dir + "/key"));
  auto nats = TRY(nats_key(config));
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) return errno_error("gethostname");
  return Identity{config.node.empty() ? node_of_host(host) : config.node, std::move(key), std::move(nats)};
}

struct Shipping::Impl {
  std::string url;
  std::string ca_file;
  std::string collector_key_file;
  PrivateKey nats_key;
  std::unique_ptr<ship::Spool> spool;
  std::unique_ptr<ship::Sealer> sealer;
  std::unique_ptr<ship::Publisher> publisher;
  std::function<void(std::string)> on_command = {};
  std::optional<PublicKey> known_key = {};
  bool have_key = false;
  steady_clock::time_point next_look{};
  std::optional<Error> failure;  // of a write since the last seal()

  Result<void> publish();
  void note(Result<void> done) {
    if (!done && !failure) failure = done.error();
  }
};

Shipping::Shipping(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Shipping::~Shipping() = default;

Result<std::unique_ptr<Shipping>> Shipping::open(const Config& config, Identity identity, const std::string& version) {
  ship::SpoolOptions options;
  options.state_dir = config.state_dir;
  options.max_bytes = config.spool.max_bytes;
  auto spool = TRY(ship::Spool::open(std::move(options), {identity.node, std::move(identity.key), version}));
  auto sealer = std::make_unique<ship::Sealer>(*spool, ship::SealerOptions{}, steady_clock::now());
  auto impl = std::make_unique<Impl>(Impl{.url = config.nats.url,
                                          .ca_file = config.nats.ca_file,
                                          .collector_key_file = config.collector.public_key_file,
                                          .nats_key = std::move(identity.nats_key),
                                          .spool = std::move(spool),
                                          .sealer = std::move(sealer),
                                          .publisher = nullptr,
                                          .failure = std::nullopt});
  return std::unique_ptr<Shipping>(new Shipping(std::move(impl)));
}

void Shipping::event(const Event& event) { impl_->note(impl_->sealer->add(event)); }
void Shipping::alert(const Alert& alert) { impl_->note(impl_->sealer->add(alert)); }
void Shipping::encoded_event(std::string_view event, uint64_t time_ns) {
  impl_->note(impl_->sealer->add_encoded(event, time_ns));
}
void Shipping::set_policy(const std::string& digest) { impl_->sealer->set_policy(digest); }
void Shipping::set_losses(const Losses& losses) { impl_->sealer->set_losses(losses); }

Result<void> Shipping::seal(bool all) {
  impl_->note(all ? impl_->sealer->seal_all() : impl_->sealer->tick(steady_clock::now()));
  if (auto failed = std::exchange(impl_->failure, std::nullopt)) return failed->in("spool");
  return {};
}

Result<void> Shipping::Impl::publish() {
  const auto key = TRY(read_collector_key(collector_key_file));
  publisher.reset();
  // Without the collector's key batches are sent all the same, but nothing can acknowledge them: the key of a pair that
  // nobody has the other half of.
  ship::PublisherOptions options{.url = url,
                                 .ca_file = ca_file,
                                 .nkey = nats_key,
                                 .collector = key ? *key : PrivateKey::generate().public_key(),
                                 .limits = {},
                                 .on_command = on_command};
  publisher = TRY(ship::Publisher::start(*spool, std::move(options)));
  have_key = key.has_value();
  known_key = key;
  return {};
}

Result<void> Shipping::start_publishing(std::function<void(std::string)> on_command) {
  impl_->on_command = std::move(on_command);
  impl_->next_look = steady_clock::now() + look_for_key_every;
  return impl_->publish();
}

std::vector<std::string> Shipping::look_after() {
  std::vector<std::string> lines = impl_->spool->take_repairs();
  if (auto error = impl_->spool->take_sync_error()) lines.push_back("spool: " + error->message);
  if (impl_->publisher == nullptr || impl_->have_key || steady_clock::now() < impl_->next_look) return lines;
  impl_->next_look = steady_clock::now() + look_for_key_every;
  if (::access(impl_->collector_key_file.c_str(), F_OK) != 0) return lines;
  if (auto done = impl_->publish(); !done) lines.push_back(done.error().message);
  return lines;
}

std::optional<PublicKey> Shipping::collector_key() const { return impl_->known_key; }

bool Shipping::can_be_acknowledged() const { return impl_->have_key; }

void Shipping::stop(std::chrono::milliseconds patience) {
  if (impl_->publisher == nullptr) return;
  // With nobody there, waiting gains nothing: the spool keeps it all.
  if (impl_->have_key && impl_->publisher->status().connected)
    (void)impl_->publisher->wait_acknowledged(steady_clock::now() + patience);
  impl_->publisher.reset();
}

void Shipping::describe(Status& status) const {
  for (const Lane lane : {Lane::alerts, Lane::telemetry}) {
    const auto lane_status = impl_->spool->status(lane);
    status.lanes[std::string(lane_name(lane))] = {lane_status.head_seq, lane_status.acked_seq, lane_status.pending,
                                                  lane_status.bytes};
  }
  const auto& sealed = impl_->sealer->counters();
  status.sealed = {sealed.batches, sealed.events, sealed.alerts, sealed.payload_bytes, sealed.sealed_bytes};
  if (impl_->publisher == nullptr) return;
  const auto publisher = impl_->publisher->status();
  status.publisher = {publisher.connected,  impl_->have_key,        publisher.sent_batches,
                      publisher.acks,       publisher.refused_acks, publisher.resends,
                      publisher.reconnects, publisher.errors,       publisher.last_error};
}

Losses Shipping::losses(const Losses& outside) const { return impl_->spool->losses(outside); }

}  // namespace shrike::agent
