#include "collector/subscriber.h"

#include <nats/nats.h>

#include <array>
#include <cstring>

#include "common/base/file.h"
#include "common/wire/subjects.h"

namespace shrike::collector {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds retry_wait{500};
constexpr int64_t next_wait_ms = 250;
constexpr int64_t request_wait_ms = 3000;
constexpr int64_t second_ns = 1'000'000'000;
// Messages asked for at once: enough to hide the sync, little enough to bound memory (1 MiB each at the most).
constexpr int pull_batch = 64;
constexpr int64_t pull_expires_ns = 5 * second_ns;
// What a killed collector had in hand comes again after this; meanwhile what follows it is a gap.
constexpr int64_t ack_wait_ns = 5 * second_ns;
// Messages ahead of their turn stay unacknowledged on the server: many nodes' worth of them.
constexpr int64_t unacknowledged_max = 65536;

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* object) const { destroy(object); }
};
using MessagePtr = std::unique_ptr<natsMsg, Destroy<natsMsg, natsMsg_Destroy>>;
using OptionsPtr = std::unique_ptr<natsOptions, Destroy<natsOptions, natsOptions_Destroy>>;
using SubscriptionPtr = std::unique_ptr<natsSubscription, Destroy<natsSubscription, natsSubscription_Destroy>>;
using ContextPtr = std::unique_ptr<jsCtx, Destroy<jsCtx, jsCtx_Destroy>>;

const char* stream_of(Lane lane) { return lane == Lane::alerts ? "SHRIKE_ALERTS" : "SHRIKE_TELEMETRY"; }
const char* subjects_of(Lane lane) { return lane == Lane::alerts ? "shrike.v1.alerts.>" : "shrike.v1.telemetry.>"; }
constexpr const char* durable = "shrike-collector";

Error nats_error(const std::string& what, natsStatus status, int code = 0) {
  // The library's text of the last error belongs to this thread, and has the server's own words.
  const char* words = nats_GetLastError(nullptr);
  std::string text = what + ": " + natsStatus_GetText(status);
  if (words != nullptr && *words != '\0') text += std::string(" (") + words + ")";
  return {text, code};
}

/// One connection and what its callbacks need. They end before it does: the closed callback is the last.
class Link {
 public:
  Link(Lane lane, Subscriber::Note note, Metrics& metrics) : lane_(lane), note_(std::move(note)), metrics_(metrics) {}
  ~Link() {
    context.reset();
    if (connection == nullptr) return;
    closing_ = true;
    natsConnection_Close(connection);
    std::unique_lock lock(mutex_);
    closed_.wait_for(lock, std::chrono::seconds(5), [&] { return is_closed_; });
    lock.unlock();
    natsConnection_Destroy(connection);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  natsConnection* connection = nullptr;
  ContextPtr context;
  std::atomic<bool> renewed{false};  ///< connected again: what was asked of the server before is forgotten

  void register_callbacks(natsOptions* options) {
    natsOptions_SetDisconnectedCB(
        options, [](natsConnection*, void* self) { static_cast<Link*>(self)->on_lost(); }, this);
    natsOptions_SetReconnectedCB(
        options, [](natsConnection*, void* self) { static_cast<Link*>(self)->on_back(); }, this);
    natsOptions_SetClosedCB(
        options, [](natsConnection*, void* self) { static_cast<Link*>(self)->on_closed(); }, this);
    natsOptions_SetErrorHandler(options, on_error, this);
  }

 private:
  static void on_error(natsConnection* connection, natsSubscription*, natsStatus status, void* self) {
    const char* words = nullptr;
    natsConnection_GetLastError(connection, &words);
    static_cast<Link*>(self)->on_trouble(std::string("NATS: ") + natsStatus_GetText(status) +
                                         (words != nullptr && *words != '\0' ? std::string(": ") + words : ""));
  }
  void on_trouble(const std::string& text) {
    // A permission that is missing comes up with every message: the same words once a minute. Only the library's one
    // callback thread comes here.
    const auto now = std::chrono::steady_clock::now();
    if (text == last_trouble_ && now - told_ < std::chrono::minutes(1)) return;
    last_trouble_ = text;
    told_ = now;
    note_(true, text);
  }
  void on_lost() {
    if (closing_) return;
    metrics_.nats_connected = false;
    note_(true, "NATS: connection of lane " + std::string(lane_name(lane_)) + " lost; connecting again");
  }
  void on_back() {
    metrics_.nats_connected = true;
    ++metrics_.nats_reconnects;
    renewed = true;
    note_(false, "NATS: lane " + std::string(lane_name(lane_)) + " is connected again");
  }
  void on_closed() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    closed_.notify_all();
  }

  Lane lane_;
  Subscriber::Note note_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable closed_;
  bool is_closed_ = false;
  std::atomic<bool> closing_{false};
  std::string last_trouble_;
  std::chrono::steady_clock::time_point told_{};
};

/// Answers on the message's own reply subject, which stays right across reconnections and new subscriptions.
class BusReceipt : public Receipt {
 public:
  BusReceipt(std::shared_ptr<Link> link, natsMsg* message) : link_(std::move(link)), message_(message) {}
  ~BusReceipt() override {
    if (!answered_) reply("-NAK");  // at once, to whoever comes next
  }
  void done() override { reply("+ACK"); }
  void again(milliseconds delay) override {
    reply("-NAK {\"delay\": " + std::to_string(delay.count() * 1'000'000) + "}");
  }

 private:
  void reply(const std::string& text) {
    answered_ = true;
    const char* subject = natsMsg_GetReply(message_.get());
    // Lost: the server delivers again after its wait, and then it is a duplicate.
    if (subject != nullptr) (void)natsConnection_PublishString(link_->connection, subject, text.c_str());
  }
  std::shared_ptr<Link> link_;  // owners: the lane's thread and each message in flight
  MessagePtr message_;
  bool answered_ = false;
};

class NatsSubscriber : public Subscriber {
 public:
  NatsSubscriber(Options options, std::string nkey, Deliver deliver, Note note, Metrics& metrics)
      : options_(std::move(options)),
        nkey_(std::move(nkey)),
        deliver_(std::move(deliver)),
        note_(std::move(note)),
        metrics_(metrics) {}
  ~NatsSubscriber() override { stop(); }

  void start() override {
    threads_[0] = std::thread([this] { run(Lane::alerts); });
    threads_[1] = std::thread([this] { run(Lane::telemetry); });
  }

  void send_ack(const std::string& node, std::string_view bytes) override {
    if (publish(ack_subject(node), bytes)) ++metrics_.acks;
  }
  bool send_command(const std::string& node, std::string_view bytes) override {
    return publish(command_subject(node), bytes);
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }

  bool connected() const override {
    const std::lock_guard lock(mutex_);
    return links_[0] && links_[1] && natsConnection_Status(links_[0]->connection) == NATS_CONN_STATUS_CONNECTED &&
           natsConnection_Status(links_[1]->connection) == NATS_CONN_STATUS_CONNECTED;
  }

 private:
  void run(Lane lane);
  void receive(Lane lane, const std::shared_ptr<Link>& link);
  Result<std::shared_ptr<Link>> connect(Lane lane);
  Result<void> ensure_stream(Lane lane, Link& link) const;
  static Result<void> ensure_consumer(Lane lane, Link& link);
  bool stopping() const {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }
  bool publish(const std::string& subject, std::string_view bytes) const {
    std::shared_ptr<Link> link;
    {
      const std::lock_guard lock(mutex_);
      link = links_[0] ? links_[0] : links_[1];
    }
    return link && natsConnection_Publish(link->connection, subject.c_str(), bytes.data(),
                                          static_cast<int>(bytes.size())) == NATS_OK;
  }

  Options options_;
  std::string nkey_;
  Deliver deliver_;
  Note note_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::array<std::shared_ptr<Link>, 2> links_;
  std::array<std::thread, 2> threads_;
};

Result<std::shared_ptr<Link>> NatsSubscriber::connect(Lane lane) {
  auto link = std::make_shared<Link>(lane, note_, metrics_);
  natsOptions* raw = nullptr;
  if (const natsStatus made = natsOptions_Create(&raw); made != NATS_OK) return nats_error("NATS options", made);
  const OptionsPtr options(raw);
  natsStatus status = NATS_OK;
  const auto set = [&](natsStatus result) {
    if (status == NATS_OK) status = result;
  };
  set(natsOptions_SetURL(raw, options_.url.c_str()));
  set(natsOptions_SetName(raw, lane == Lane::alerts ? "shrike-collector alerts" : "shrike-collector telemetry"));
  set(natsOptions_SetTimeout(raw, 3000));
  set(natsOptions_SetMaxReconnect(raw, -1));
  set(natsOptions_SetReconnectWait(raw, 250));
  set(natsOptions_SetReconnectJitter(raw, 100, 500));
  set(natsOptions_SetPingInterval(raw, 5000));
  set(natsOptions_SetMaxPingsOut(raw, 2));
  if (!nkey_.empty()) set(natsOptions_SetNKeyFromSeed(raw, nkey_.c_str(), options_.nkey_seed_file.c_str()));
  if (options_.url.starts_with("tls://") || !options_.ca_file.empty()) {
    set(natsOptions_SetSecure(raw, true));
    if (!options_.ca_file.empty()) set(natsOptions_LoadCATrustedCertificates(raw, options_.ca_file.c_str()));
  }
  if (status != NATS_OK) return nats_error("NATS " + options_.url, status);
  link->register_callbacks(raw);
  if (status = natsConnection_Connect(&link->connection, raw); status != NATS_OK) {
    link->connection = nullptr;
    return nats_error("NATS " + options_.url, status);
  }
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = request_wait_ms;
  jsCtx* context = nullptr;
  if (status = natsConnection_JetStream(&context, link->connection, &js); status != NATS_OK)
    return nats_error("NATS JetStream", status);
  link->context.reset(context);
  return link;
}

Result<void> NatsSubscriber::ensure_stream(Lane lane, Link& link) const {
  jsStreamInfo* info = nullptr;
  jsErrCode code{};
  natsStatus status = js_GetStreamInfo(&info, link.context.get(), stream_of(lane), nullptr, &code);
  jsStreamInfo_Destroy(info);
  if (status == NATS_OK) return {};
  if (code != JSStreamNotFoundErr) return nats_error(std::string("stream ") + stream_of(lane), status, code);

  const char* subjects[] = {subjects_of(lane)};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = stream_of(lane);
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Retention = js_WorkQueuePolicy;
  config.Storage = js_FileStorage;
  // Full: the publisher is told, and its spool keeps the batch. Never the oldest out, that would be a loss.
  config.Discard = js_DiscardNew;
  config.MaxMsgSize = static_cast<int32_t>(batch_max_bytes + 65536);
  config.Duplicates = 120 * second_ns;
  const uint64_t bytes = lane == Lane::alerts ? options_.stream_max_bytes / 4 : options_.stream_max_bytes;
  config.MaxBytes = bytes == 0 ? -1 : static_cast<int64_t>(bytes);
  status = js_AddStream(&info, link.context.get(), &config, nullptr, &code);
  jsStreamInfo_Destroy(info);
  if (status != NATS_OK && code == JSStorageResourcesExceededErr) {
    // A server with less room than we would reserve: its own limit is then the limit.
    info = nullptr;
    config.MaxBytes = -1;
    status = js_AddStream(&info, link.context.get(), &config, nullptr, &code);
    jsStreamInfo_Destroy(info);
  }
  if (status == NATS_OK || code == JSStreamNameExistErr) return {};
  return nats_error(std::string("stream ") + stream_of(lane), status, code);
}

Result<void> NatsSubscriber::ensure_consumer(Lane lane, Link& link) {
  jsConsumerInfo* info = nullptr;
  jsErrCode code{};
  natsStatus status = js_GetConsumerInfo(&info, link.context.get(), stream_of(lane), durable, nullptr, &code);
  jsConsumerInfo_Destroy(info);
  if (status == NATS_OK) return {};
  const std::string what = std::string("consumer of ") + stream_of(lane);
  if (code != JSConsumerNotFoundErr) return nats_error(what, status, code);
  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.Durable = durable;
  config.FilterSubject = subjects_of(lane);
  config.AckPolicy = js_AckExplicit;
  config.AckWait = ack_wait_ns;
  config.MaxDeliver = -1;
  config.MaxAckPending = unacknowledged_max;
  info = nullptr;
  status = js_AddConsumer(&info, link.context.get(), stream_of(lane), &config, nullptr, &code);
  jsConsumerInfo_Destroy(info);
  if (status != NATS_OK) return nats_error(what, status, code);
  return {};
}

/// Keeps the server allowed to send us a bounded number of messages. The library's own fetch either returns at once or
/// waits for a full batch; asking ahead, as here, gives each message the moment it is there.
class Puller {
 public:
  /// Errors: the subscription is refused.
  static Result<std::unique_ptr<Puller>> open(Lane lane, Link& link) {
    auto puller = std::unique_ptr<Puller>(new Puller(lane, link));
    char* inbox = nullptr;
    natsStatus status = natsInbox_Create(&inbox);
    if (status != NATS_OK) return nats_error("NATS inbox", status);
    puller->inbox_ = inbox;
    natsInbox_Destroy(inbox);
    natsSubscription* raw = nullptr;
    status = natsConnection_SubscribeSync(&raw, link.connection, puller->inbox_.c_str());
    if (status != NATS_OK) return nats_error("NATS inbox", status);
    puller->subscription_.reset(raw);
    return puller;
  }

  enum class State : uint8_t { message, nothing, lost };
  /// A message, or nothing for a while; lost: there is no consumer, or the subscription is over.
  State next(MessagePtr& message) {
    const auto now = std::chrono::steady_clock::now();
    // A request always ends in a word. None: the consumer has gone, or the server that knew of the request.
    if (link_.renewed.exchange(false)) return State::lost;
    if (credit_ > 0 && now - heard_ > std::chrono::nanoseconds(pull_expires_ns + second_ns)) return State::lost;
    if (credit_ <= pull_batch / 2) ask(now);
    natsMsg* raw = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&raw, subscription_.get(), next_wait_ms);
    if (status == NATS_TIMEOUT || status == NATS_SLOW_CONSUMER) return State::nothing;
    if (status != NATS_OK) return State::lost;
    message.reset(raw);
    heard_ = now;
    const char* code = nullptr;
    if (natsMsg_GetDataLength(raw) > 0 || natsMsgHeader_Get(raw, "Status", &code) != NATS_OK) {
      --credit_;
      return State::message;
    }
    // The end of a request: expired (408), too many (409), nobody there (503).
    credit_ = 0;
    return std::string_view(code) == "503" || ++ends_ % checks_every == 0 ? State::lost : State::nothing;
  }
  /// Hands back what has come and was not looked at.
  void drain(const std::function<void(natsMsg*)>& give_back) {
    natsMsg* raw = nullptr;
    while (natsSubscription_NextMsg(&raw, subscription_.get(), 0) == NATS_OK) give_back(raw);
  }

 private:
  // Now and then streams and consumers are looked at again, should someone have removed them.
  static constexpr unsigned checks_every = 4;

  Puller(Lane lane, Link& link)
      : link_(link), request_(std::string("$JS.API.CONSUMER.MSG.NEXT.") + stream_of(lane) + "." + durable) {}

  void ask(std::chrono::steady_clock::time_point now) {
    const std::string text =
        "{\"batch\": " + std::to_string(pull_batch) + ", \"expires\": " + std::to_string(pull_expires_ns) + "}";
    if (natsConnection_PublishRequestString(link_.connection, request_.c_str(), inbox_.c_str(), text.c_str()) !=
        NATS_OK)
      return;
    if (credit_ <= 0) heard_ = now;
    credit_ = std::max(credit_, 0) + pull_batch;
  }

  Link& link_;
  std::string request_;
  std::string inbox_;
  SubscriptionPtr subscription_;
  int credit_ = 0;
  unsigned ends_ = 0;
  std::chrono::steady_clock::time_point heard_{};
};

void NatsSubscriber::run(Lane lane) {
  std::string last_error;
  while (!stopping()) {
    auto link = connect(lane);
    if (link) {
      {
        const std::lock_guard lock(mutex_);
        links_[lane == Lane::alerts ? 0 : 1] = *link;
      }
      metrics_.nats_connected = true;
      note_(false, "NATS: lane " + std::string(lane_name(lane)) + " is connected to " + options_.url);
      last_error.clear();
      receive(lane, *link);
    } else if (link.error().message != last_error) {
      // The same words every half second help nobody.
      last_error = link.error().message;
      note_(true, last_error + "; trying again");
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, retry_wait, [&] { return stopping_; });
  }
}

// Until the connection has been closed for good (the library gives up after two refused logins) or we stop.
void NatsSubscriber::receive(Lane lane, const std::shared_ptr<Link>& link) {
  std::unique_ptr<Puller> puller;
  std::string last_error;
  while (!stopping() && !natsConnection_IsClosed(link->connection)) {
    if (!puller) {
      const auto prepare = [&]() -> Result<std::unique_ptr<Puller>> {
        TRY_VOID(ensure_stream(lane, *link));
        TRY_VOID(ensure_consumer(lane, *link));
        return Puller::open(lane, *link);
      };
      auto made = prepare();
      if (!made) {
        if (made.error().message != last_error) note_(true, made.error().message + "; trying again");
        last_error = made.error().message;
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, retry_wait, [&] { return stopping_; });
        continue;
      }
      last_error.clear();
      puller = std::move(made).value();
    }
    MessagePtr message;
    switch (puller->next(message)) {
      case Puller::State::message: {
        natsMsg* raw = message.get();
        auto receipt = std::make_unique<BusReceipt>(link, message.release());
        const std::string_view bytes(natsMsg_GetData(raw), static_cast<size_t>(natsMsg_GetDataLength(raw)));
        deliver_(lane, natsMsg_GetSubject(raw), bytes, std::move(receipt));
        break;
      }
      case Puller::State::nothing:
        break;
      case Puller::State::lost:
        puller->drain([&](natsMsg* raw) { BusReceipt(link, raw); });
        puller.reset();
        break;
    }
  }
  if (puller) puller->drain([&](natsMsg* raw) { BusReceipt(link, raw); });
}

}  // namespace

Result<std::unique_ptr<Subscriber>> Subscriber::make(const Options& options, Deliver deliver, Note note,
                                                     Metrics& metrics) {
  std::string nkey;
  if (!options.nkey_seed_file.empty()) nkey = TRY(PrivateKey::load_nkey(options.nkey_seed_file)).public_key().nkey();
  return std::unique_ptr<Subscriber>(
      std::make_unique<NatsSubscriber>(options, std::move(nkey), std::move(deliver), std::move(note), metrics));
}

}  // namespace shrike::collector
