#include "agent/ship/publisher.h"

#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "agent/ship/nats_link.h"
#include "common/base/bytes.h"
#include "common/wire/subjects.h"

namespace shrike::ship {
namespace {
using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds connect_wait_first{100};
constexpr std::chrono::milliseconds connect_wait_most{5000};

/// Many agents lose one server at the same moment; they should not all come back at the same one.
std::chrono::milliseconds spread(std::chrono::milliseconds wait) {
  return std::chrono::milliseconds(Clock::now().time_since_epoch().count() / 1000 % (wait.count() + 1));
}

}  // namespace

class Publisher::Impl {
 public:
  Impl(Spool& spool, const FlightLimits& limits, PublicKey collector)
      : spool_(spool), collector_(collector), flights_{Flight(limits), Flight(limits)} {}
  ~Impl();
  Result<void> start(PublisherOptions options);
  PublisherStatus status() const;
  bool wait_acknowledged(Clock::time_point deadline);

 private:
  void run();
  void connect();
  void take_news();
  void take_ack(const std::string& bytes);
  void take_commands(Mailbox::News& news);
  void pump(Lane lane);
  bool pump_one(Lane lane);
  void check_first(Lane lane);
  void report(std::string error);
  Flight& flight(Lane lane) { return flights_[lane_index(lane)]; }

  Spool& spool_;
  const PublicKey collector_;
  std::function<void(std::string)> on_command_;
  std::string url_;
  // Shared with the spool's notification and the link's callbacks.
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::unique_ptr<NatsLink> link_;
  std::array<Flight, 2> flights_;
  Clock::time_point connect_at_{};
  std::chrono::milliseconds connect_wait_ = connect_wait_first;
  mutable std::mutex status_mutex_;
  std::condition_variable progress_;
  PublisherStatus status_;
  std::thread thread_;
};

Result<void> Publisher::Impl::start(PublisherOptions options) {
  url_ = options.url;
  on_command_ = std::move(options.on_command);
  NatsLink::Options wish{options.url, options.ca_file, options.nkey, spool_.identity().node, on_command_ != nullptr};
  link_ = TRY(NatsLink::create(std::move(wish), mailbox_));
  spool_.on_append([mailbox = mailbox_] { mailbox->post([](Mailbox&) {}); });
  thread_ = std::thread([this] { run(); });
  return {};
}

Publisher::Impl::~Impl() {
  spool_.on_append(nullptr);
  mailbox_->post([](Mailbox& mailbox) { mailbox.stop = true; });
  if (thread_.joinable()) thread_.join();
}

void Publisher::Impl::report(std::string error) {
  const std::lock_guard lock(status_mutex_);
  status_.last_error = std::move(error);
  ++status_.errors;
}

/// What was on its way may be lost with the old connection, and is sent again.
void Publisher::Impl::connect() {
  if (auto connected = link_->connect(); !connected) {
    report(connected.error().message);
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
    if (!link_->connected() && now >= connect_at_) connect();
    now = Clock::now();
    auto deadline = link_->connected() ? now + std::chrono::seconds(1) : std::max(connect_at_, now);
    if (link_->connected())
      for (const Flight& flight : flights_) deadline = std::min(deadline, std::max(flight.deadline(), now));
    {
      std::unique_lock lock(mailbox_->mutex);
      // Without a connection, new batches are no news.
      mailbox_->wake.wait_until(lock, deadline,
                                [&] { return mailbox_->stop || (link_->connected() && mailbox_->any); });
      if (mailbox_->stop) return;
      mailbox_->any = false;
    }
    take_news();
    if (!link_->connected()) continue;
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
  Mailbox::News news = mailbox_->take();
  const auto now = Clock::now();
  if (news.error) report("nats: " + *news.error);
  if (news.closed && link_->connected()) {
    report(url_ + ": connection closed: " + link_->last_error());
    link_->disconnect();
    connect_at_ = now + spread(connect_wait_);
    const std::lock_guard lock(status_mutex_);
    status_.connected = false;
  }
  for (const Lane lane : both_lanes) {
    const auto& why = news.refused[lane_index(lane)];
    if (!why) continue;
    report("nats: a batch of lane " + std::string(lane_name(lane)) + " was not stored: " + *why);
    flight(lane).on_refused(now);
  }
  for (const std::string& ack : news.acks) take_ack(ack);
  take_commands(news);
}

void Publisher::Impl::take_commands(Mailbox::News& news) {
  if (news.commands.empty() && news.commands_dropped == 0) return;
  {
    const std::lock_guard lock(status_mutex_);
    status_.commands += news.commands.size() + news.commands_dropped;
    status_.commands_dropped += news.commands_dropped;
  }
  for (std::string& command : news.commands) on_command_(std::move(command));
}

void Publisher::Impl::take_ack(const std::string& bytes) {
  auto ack = open_ack(bytes, collector_);
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
  std::string id = message_id(spool_.identity().node, (*spooled)->boot, lane, (*spooled)->seq);
  if (flight(lane).salt() > 0) id.append(".").append(std::to_string(flight(lane).salt()));
  // A statement has the seq of a batch that may have been sent; under its id JetStream would drop it.
  if ((*spooled)->statement) id.append(".").append(hex(as_bytes(sha256((*spooled)->bytes)).substr(0, 8)));
  if (auto published = link_->publish(lane, id, (*spooled)->bytes); !published) {
    report(published.error().message);
    flight(lane).on_refused(now);
    return false;
  }
  const std::lock_guard lock(status_mutex_);
  ++status_.sent_batches;
  status_.sent_bytes += size;
  return true;
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
  auto impl = std::make_unique<Impl>(spool, options.limits, options.collector);
  TRY_VOID(impl->start(std::move(options)));
  return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

PublisherStatus Publisher::status() const { return impl_->status(); }
bool Publisher::wait_acknowledged(std::chrono::steady_clock::time_point deadline) {
  return impl_->wait_acknowledged(deadline);
}

}  // namespace shrike::ship
