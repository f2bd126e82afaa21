#include "agent/ship/publisher.h"

#include <nats/nats.h>
#include <openssl/crypto.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/bytes.h"
#include "common/wire/subjects.h"

namespace shrike::ship {
namespace {
using Clock = std::chrono::steady_clock;
constexpr size_t acks_waiting_max = 4096;
constexpr std::chrono::milliseconds connect_wait_first{100};
constexpr std::chrono::milliseconds connect_wait_most{5000};
constexpr int64_t connect_timeout_ms = 3000;

Error nats_error(const std::string& what, natsStatus status) {
  const char* detail = nats_GetLastError(nullptr);
  std::string text = what + ": " + natsStatus_GetText(status);
  if (detail != nullptr && *detail != 0) text.append(" (").append(detail).append(")");
  return Error{std::move(text)};
}

/// What the library's threads leave for ours. The callbacks' closure; outlives the last of them (see ~Impl).
struct Mailbox {
  std::mutex mutex;
  std::condition_variable wake;
  bool news = false;
  bool closed = false;
  int subscriptions_done = 0;
  std::deque<std::string> acks;
  std::array<std::optional<std::string>, 2> refused;  ///< by lane: why the server did not store a batch
  std::optional<std::string> error;

  template <class Change>
  void post(Change change) {
    {
      const std::lock_guard lock(mutex);
      change();
      news = true;
    }
    wake.notify_all();
  }
};

Mailbox& box(void* closure) { return *static_cast<Mailbox*>(closure); }

void on_closed(natsConnection*, void* closure) {
  box(closure).post([&] { box(closure).closed = true; });
}
void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* closure) {
  // Permission violations come here and nowhere else; the server's sentence names the subject.
  const char* detail = nullptr;
  natsConnection_GetLastError(connection, &detail);
  std::string text = natsStatus_GetText(status);
  if (detail != nullptr && *detail != 0) text.append(": ").append(detail);
  box(closure).post([&] { box(closure).error = std::move(text); });
}
void on_subscription_done(void* closure) {
  box(closure).post([&] { ++box(closure).subscriptions_done; });
}
void on_ack(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  std::string bytes(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
  box(closure).post([&] {
    // Cumulative: when there are too many, the oldest says least.
    if (box(closure).acks.size() == acks_waiting_max) box(closure).acks.pop_front();
    box(closure).acks.push_back(std::move(bytes));
  });
}
/// JetStream's answer to a publish. Only a refusal means something: what counts is the collector's word.
void on_stored(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  const std::string_view subject = natsMsg_GetSubject(message);
  const std::string_view answer(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  std::optional<std::string> refusal;
  if (natsMsg_IsNoResponders(message))
    refusal = "no JetStream stream takes this subject";
  else if (answer.find("\"error\"") != std::string_view::npos)
    refusal = std::string(answer.substr(0, 256));
  const auto lane = lane_named(subject.substr(subject.rfind('.') + 1));
  natsMsg_Destroy(message);
  if (!refusal || !lane) return;
  box(closure).post([&] { box(closure).refused[lane_index(*lane)] = std::move(refusal); });
}
/// Many agents lose one server at the same moment; they should not all come back at the same one.
std::chrono::milliseconds spread(std::chrono::milliseconds wait) {
  return std::chrono::milliseconds(Clock::now().time_since_epoch().count() / 1000 % (wait.count() + 1));
}

template <class T, void (*destroy)(T*)>
struct Destroyer {
  void operator()(T* object) const { destroy(object); }
};
using Options = std::unique_ptr<natsOptions, Destroyer<natsOptions, natsOptions_Destroy>>;
using Connection = std::unique_ptr<natsConnection, Destroyer<natsConnection, natsConnection_Destroy>>;
using Subscription = std::unique_ptr<natsSubscription, Destroyer<natsSubscription, natsSubscription_Destroy>>;
using Message = std::unique_ptr<natsMsg, Destroyer<natsMsg, natsMsg_Destroy>>;
}  // namespace

class Publisher::Impl {
 public:
  Impl(Spool& spool, PublisherOptions options) : spool_(spool), options_(std::move(options)) {}
  ~Impl();
  Result<void> start();
  PublisherStatus status() const;
  bool wait_acknowledged(Clock::time_point deadline);

 private:
  Result<void> make_options();
  Result<void> connect();
  bool disconnect();
  void run();
  void try_connect();
  void take_news();
  void take_ack(const std::string& bytes);
  void pump(Lane lane);
  bool pump_one(Lane lane);
  Result<void> publish(Lane lane, const Spooled& spooled);
  void check_first(Lane lane);
  void report(std::string error);
  Flight& flight(Lane lane) { return flights_[lane_index(lane)]; }

  Spool& spool_;
  PublisherOptions options_;
  std::string node_;
  std::string nkey_;
  Options nats_options_;
  std::unique_ptr<Mailbox> mailbox_ = std::make_unique<Mailbox>();
  Connection connection_;
  Subscription acks_;
  Subscription stored_;
  int subscriptions_made_ = 0;
  std::array<Flight, 2> flights_ = {Flight(options_.limits), Flight(options_.limits)};
  std::array<std::string, 2> subjects_;
  std::array<std::string, 2> replies_;
  Clock::time_point connect_at_{};
  std::chrono::milliseconds connect_wait_ = connect_wait_first;
  mutable std::mutex status_mutex_;
  std::condition_variable progress_;
  PublisherStatus status_;
  bool stop_ = false;  // under mailbox_->mutex
  std::thread thread_;

  static natsStatus sign_nonce(char** error, unsigned char** signature, int* size, const char* nonce, void* closure);
};

natsStatus Publisher::Impl::sign_nonce(char**, unsigned char** signature, int* size, const char* nonce, void* closure) {
  // A server that asks for no authentication gives no nonce; it does not look at the answer either.
  const Signature made = static_cast<Impl*>(closure)->options_.nkey->sign(nonce != nullptr ? nonce : "");
  *signature = static_cast<unsigned char*>(std::malloc(made.size()));  // the library frees it
  if (*signature == nullptr) return NATS_NO_MEMORY;
  std::memcpy(*signature, made.data(), made.size());
  *size = static_cast<int>(made.size());
  return NATS_OK;
}

Result<void> Publisher::Impl::make_options() {
  natsOptions* raw = nullptr;
  if (const natsStatus s = natsOptions_Create(&raw); s != NATS_OK) return nats_error("nats", s);
  nats_options_.reset(raw);
  natsStatus s = NATS_OK;
  const auto set = [&](natsStatus result) {
    if (s == NATS_OK) s = result;
  };
  set(natsOptions_SetURL(raw, options_.url.c_str()));
  set(natsOptions_SetName(raw, ("shrike-agent " + node_).c_str()));
  set(natsOptions_SetCustomInboxPrefix(raw, ("_INBOX." + node_).c_str()));
  // We connect again ourselves: the library gives up after two refusals of our credentials, which may be put right at
  // any time, and while it tries it tells nobody why it fails.
  set(natsOptions_SetAllowReconnect(raw, false));
  set(natsOptions_SetClosedCB(raw, on_closed, mailbox_.get()));
  set(natsOptions_SetErrorHandler(raw, on_error, mailbox_.get()));
  set(natsOptions_SetSendAsap(raw, true));
  set(natsOptions_SetWriteDeadline(raw, 5000));
  set(natsOptions_SetPingInterval(raw, 10000));
  set(natsOptions_SetMaxPingsOut(raw, 2));
  set(natsOptions_SetTimeout(raw, connect_timeout_ms));
  if (s != NATS_OK) return nats_error("nats.url '" + options_.url + "'", s);
  if (options_.nkey) {
    nkey_ = options_.nkey->public_key().nkey();
    if (s = natsOptions_SetNKey(raw, nkey_.c_str(), sign_nonce, this); s != NATS_OK) return nats_error("nats nkey", s);
  }
  if (!options_.url.starts_with("tls://")) return {};
  s = natsOptions_SetSecure(raw, true);
  if (s == NATS_OK && !options_.ca_file.empty())
    s = natsOptions_LoadCATrustedCertificates(raw, options_.ca_file.c_str());
  if (s != NATS_OK) return nats_error("nats.ca_file '" + options_.ca_file + "'", s);
  return {};
}

Result<void> Publisher::Impl::start() {
  node_ = spool_.identity().node;
  for (const Lane lane : both_lanes) {
    subjects_[lane_index(lane)] = batch_subject(lane, node_);
    replies_[lane_index(lane)] = "_INBOX." + node_ + ".stored." + std::string(lane_name(lane));
  }
  TRY_VOID(make_options());
  spool_.on_append([mailbox = mailbox_.get()] { mailbox->post([] {}); });
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> Publisher::Impl::connect() {
  natsConnection* raw = nullptr;
  natsStatus s = natsConnection_Connect(&raw, nats_options_.get());
  if (s != NATS_OK) return nats_error(options_.url, s);
  connection_.reset(raw);
  const auto subscribe = [&](Subscription& to, const std::string& subject, natsMsgHandler handler) {
    natsSubscription* made = nullptr;
    if (s = natsConnection_Subscribe(&made, raw, subject.c_str(), handler, mailbox_.get()); s != NATS_OK) return;
    to.reset(made);
    if (natsSubscription_SetOnCompleteCB(made, on_subscription_done, mailbox_.get()) == NATS_OK) ++subscriptions_made_;
  };
  subscribe(acks_, ack_subject(node_), on_ack);
  if (acks_) subscribe(stored_, "_INBOX." + node_ + ".stored.*", on_stored);
  if (!acks_ || !stored_) return nats_error(options_.url + ": subscribe", s);
  return {};
}

/// After this no callback of the old connection runs any more. False when the library could not say so in time.
bool Publisher::Impl::disconnect() {
  if (!connection_) return true;
  acks_.reset();
  stored_.reset();
  natsConnection_Close(connection_.get());
  bool quiet = false;
  {
    std::unique_lock lock(mailbox_->mutex);
    quiet = mailbox_->wake.wait_for(lock, std::chrono::seconds(5), [&] {
      return mailbox_->closed && mailbox_->subscriptions_done >= subscriptions_made_;
    });
    mailbox_->closed = false;
    mailbox_->subscriptions_done = subscriptions_made_ = 0;
  }
  connection_.reset();
  const std::lock_guard lock(status_mutex_);
  status_.connected = false;
  return quiet;
}

Publisher::Impl::~Impl() {
  spool_.on_append(nullptr);
  {
    const std::lock_guard lock(mailbox_->mutex);
    stop_ = true;
  }
  mailbox_->wake.notify_all();
  if (thread_.joinable()) thread_.join();
  // A callback that may still come needs its mailbox: better leaked than freed under it.
  if (!disconnect()) static_cast<void>(mailbox_.release());
}

void Publisher::Impl::report(std::string error) {
  const std::lock_guard lock(status_mutex_);
  status_.last_error = std::move(error);
  ++status_.errors;
}

/// Connects when it is time to. What was on its way may be lost with the old connection, and is sent again.
void Publisher::Impl::try_connect() {
  if (auto connected = connect(); !connected) {
    report(connected.error().message);
    disconnect();
    connect_at_ = Clock::now() + connect_wait_ + spread(connect_wait_);
    connect_wait_ = std::min(connect_wait_ * 2, connect_wait_most);
    return;
  }
  connect_wait_ = connect_wait_first;
  for (Flight& flight : flights_) flight.on_connected(Clock::now());
  const std::lock_guard lock(status_mutex_);
  status_.connected = true;
  ++status_.reconnects;
}

void Publisher::Impl::run() {
  while (true) {
    auto now = Clock::now();
    if (!connection_ && now >= connect_at_) try_connect();
    now = Clock::now();
    auto deadline = connection_ ? now + std::chrono::seconds(1) : std::max(connect_at_, now);
    if (connection_)
      for (const Flight& flight : flights_) deadline = std::min(deadline, std::max(flight.deadline(), now));
    {
      std::unique_lock lock(mailbox_->mutex);
      // Without a connection, new batches are no news.
      mailbox_->wake.wait_until(lock, deadline, [&] { return stop_ || (connection_ && mailbox_->news); });
      if (stop_) return;
      mailbox_->news = false;
    }
    take_news();
    if (!connection_) continue;
    for (const Lane lane : both_lanes) {
      if (flight(lane).due(Clock::now())) {
        flight(lane).restart(Clock::now());
        spool_.rewind(lane);
        const std::lock_guard lock(status_mutex_);
        ++status_.resends;
      }
      pump(lane);
    }
  }
}

void Publisher::Impl::take_news() {
  std::deque<std::string> acks;
  std::array<std::optional<std::string>, 2> refused;
  std::optional<std::string> error;
  bool closed = false;
  {
    const std::lock_guard lock(mailbox_->mutex);
    acks.swap(mailbox_->acks);
    refused.swap(mailbox_->refused);
    error.swap(mailbox_->error);
    closed = mailbox_->closed;
  }
  const auto now = Clock::now();
  if (error) report("nats: " + *error);
  if (closed && connection_) {
    const char* detail = nullptr;
    natsConnection_GetLastError(connection_.get(), &detail);
    report(options_.url + ": connection closed" + (detail != nullptr ? ": " + std::string(detail) : ""));
    disconnect();
    connect_at_ = now + spread(connect_wait_);
  }
  for (const Lane lane : both_lanes) {
    const auto& why = refused[lane_index(lane)];
    if (!why) continue;
    report("nats: " + subjects_[lane_index(lane)] + " not stored: " + *why);
    flight(lane).on_refused(now);
  }
  for (const std::string& ack : acks) take_ack(ack);
}

void Publisher::Impl::take_ack(const std::string& bytes) {
  auto ack = open_ack(bytes, options_.collector);
  auto taken = ack ? spool_.acknowledge(*ack) : Result<void>(ack.error());
  if (!taken) {
    report(taken.error().message);
    const std::lock_guard lock(status_mutex_);
    ++status_.refused_acks;
    return;
  }
  flight(ack->lane).on_ack(ack->boot, ack->seq, ack->verdict, Clock::now());
  const bool refused =
      ack->verdict != Verdict::accepted && ack->verdict != Verdict::duplicate && ack->verdict != Verdict::gap;
  if (refused) {
    report("collector '" + ack->collector + "' judges lane " + std::string(lane_name(ack->lane)) + " after seq " +
           std::to_string(ack->seq) + ": " + std::string(verdict_name(ack->verdict)));
    check_first(ack->lane);
  }
  {
    const std::lock_guard lock(status_mutex_);
    ++status_.acks;
  }
  progress_.notify_all();
}

/// A batch in our spool that is not signed by us would stop its lane for ever.
void Publisher::Impl::check_first(Lane lane) {
  spool_.rewind(lane);
  const auto spooled = spool_.next(lane);
  spool_.rewind(lane);
  flight(lane).restart(Clock::now());
  if (!spooled || !*spooled) return;
  const auto batch = open_batch((*spooled)->bytes);
  if (batch && verify_signature(*batch, spool_.identity().key.public_key()) && open_payload(*batch)) return;
  if (auto condemned = spool_.condemn_first(lane); !condemned) report(condemned.error().message);
}

void Publisher::Impl::pump(Lane lane) {
  while (flight(lane).has_room()) {
    // Alerts overtake telemetry that has not left yet.
    if (lane == Lane::telemetry && flight(Lane::alerts).has_room() && pump_one(Lane::alerts)) continue;
    if (!pump_one(lane)) return;
  }
}

/// Sends the next batch. False when there is none, or it could not be read or sent.
bool Publisher::Impl::pump_one(Lane lane) {
  auto spooled = spool_.next(lane);
  if (!spooled) {
    report(spooled.error().message);
    return false;
  }
  if (!*spooled) return false;
  const auto now = Clock::now();
  const size_t size = (*spooled)->bytes.size();
  flight(lane).on_sent((*spooled)->boot, (*spooled)->seq, size, now);
  if (auto published = publish(lane, **spooled); !published) {
    report(published.error().message);
    flight(lane).on_refused(now);
    return false;
  }
  const std::lock_guard lock(status_mutex_);
  ++status_.sent_batches;
  status_.sent_bytes += size;
  return true;
}

Result<void> Publisher::Impl::publish(Lane lane, const Spooled& spooled) {
  const size_t i = lane_index(lane);
  std::string id = message_id(node_, spooled.boot, lane, spooled.seq);
  if (flight(lane).salt() > 0) id.append(".").append(std::to_string(flight(lane).salt()));
  // A statement has the seq of a batch that may have been sent; under its id JetStream would drop it.
  if (spooled.statement) id.append(".").append(hex(as_bytes(sha256(spooled.bytes)).substr(0, 8)));
  natsMsg* raw = nullptr;
  natsStatus s = natsMsg_Create(&raw, subjects_[i].c_str(), replies_[i].c_str(), spooled.bytes.data(),
                                static_cast<int>(spooled.bytes.size()));
  const Message message(raw);
  if (s == NATS_OK) s = natsMsgHeader_Set(raw, "Nats-Msg-Id", id.c_str());
  if (s == NATS_OK) s = natsConnection_PublishMsg(connection_.get(), raw);
  if (s != NATS_OK) return nats_error("publish " + id, s);
  return {};
}

PublisherStatus Publisher::Impl::status() const {
  const std::lock_guard lock(status_mutex_);
  return status_;
}

bool Publisher::Impl::wait_acknowledged(Clock::time_point deadline) {
  std::array<LaneStatus, 2> goal;
  for (const Lane lane : both_lanes) goal[lane_index(lane)] = spool_.status(lane);
  const auto reached = [&] {
    for (const Lane lane : both_lanes) {
      const LaneStatus now = spool_.status(lane);
      if (now.pending > 0 && now.acked_seq < goal[lane_index(lane)].head_seq) return false;
    }
    return true;
  };
  std::unique_lock lock(status_mutex_);
  return progress_.wait_until(lock, deadline, reached);
}

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Publisher::~Publisher() = default;

Result<std::unique_ptr<Publisher>> Publisher::start(Spool& spool, PublisherOptions options) {
  auto impl = std::make_unique<Impl>(spool, std::move(options));
  TRY_VOID(impl->start());
  return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

PublisherStatus Publisher::status() const { return impl_->status(); }
bool Publisher::wait_acknowledged(std::chrono::steady_clock::time_point deadline) {
  return impl_->wait_acknowledged(deadline);
}

}  // namespace shrike::ship
