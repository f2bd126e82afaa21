#include "collector/committer.h"

#include "collector/findings.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

constexpr size_t queue_bytes_max = 32u << 20;
constexpr size_t alerts_extra_bytes = 32u << 20;
constexpr size_t group_bytes_max = 16u << 20;
constexpr std::chrono::milliseconds retry_after{1000};

void add_items(std::vector<Store::Item>& items, std::vector<std::string>& texts, const Pending& pending,
               uint64_t now_ns) {
  if (pending.row) items.push_back({RecordKind::batch, pending.row->received_ns, pending.bytes, {}, 0});
  for (const auto& alert : pending.own_alerts) {
    texts.push_back(finding_of(alert->alert));
    items.push_back({RecordKind::finding, now_ns, {}, {}, 0});
  }
  for (const auto& verdict : pending.verdicts) {
    texts.push_back(finding_of(*verdict));
    items.push_back({RecordKind::finding, now_ns, {}, {}, 0});
  }
}

}  // namespace

Committer::Committer(Parts parts, Callbacks callbacks) : parts_(std::move(parts)), callbacks_(std::move(callbacks)) {
  serial_ = parts_.index.serial();
  committed_ = serial_;
  note_store();
  thread_ = std::thread([this] { run(); });
}

Committer::~Committer() { stop(); }

uint64_t Committer::push(Pending pending, Room room) {
  const size_t most = room == Room::telemetry ? queue_bytes_max
                      : room == Room::alerts  ? queue_bytes_max + alerts_extra_bytes
                                              : SIZE_MAX;
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return stopping_ || queued_bytes_ < most; });
  if (stopping_) return 0;
  // Under one lock: the order of serials is the order of the feeds and of the commits.
  uint64_t serial = 0;
  if (pending.row) serial = pending.row->serial = ++serial_;
  for (auto* alerts : {&pending.alerts, &pending.own_alerts})
    for (const auto& alert : *alerts) {
      alert->serial = ++serial_;
      parts_.alerts.publish(alert);
    }
  for (const auto& verdict : pending.verdicts) {
    verdict->serial = ++serial_;
    parts_.verdicts.publish(verdict);
  }
  for (DetonationRow& detonation : pending.detonations) detonation.serial = ++serial_;
  if (pending.shown) {
    pending.shown->serial = serial != 0 ? serial : ++serial_;
    parts_.verdicts.publish(pending.shown);
  }
  queued_bytes_ += pending.weight();
  queue_.push_back(std::move(pending));
  lock.unlock();
  work_.notify_one();
  return serial != 0 ? serial : 1;
}

void Committer::run() {
  for (;;) {
    std::vector<Pending> group;
    size_t bytes = 0;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      while (!queue_.empty() && bytes < group_bytes_max) {
        bytes += queue_.front().weight();
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    const uint64_t begin = boot_now_ns();
    const bool done = commit(group);
    parts_.metrics.commit_ns += boot_now_ns() - begin;
    ++parts_.metrics.commits;
    {
      const std::lock_guard lock(mutex_);
      queued_bytes_ -= bytes;
    }
    room_.notify_all();
    if (!done) return;
  }
}

bool Committer::wait_after_failure() {
  std::unique_lock lock(mutex_);
  return !work_.wait_for(lock, retry_after, [&] { return stopping_; });
}

bool Committer::append(std::vector<Pending>& group) {
  std::vector<Store::Item> items;
  std::vector<std::string> texts;
  const uint64_t now = wall_now_ns();
  for (const Pending& pending : group) add_items(items, texts, pending, now);
  size_t next_text = 0;
  for (Store::Item& item : items)
    if (item.kind == RecordKind::finding) item.bytes = texts[next_text++];
  bool stalled = false;
  for (;;) {
    auto written = parts_.store.append(items);
    if (written) break;
    ++parts_.metrics.store_errors;
    parts_.metrics.accepting = false;
    if (!std::exchange(stalled, true)) callbacks_.stalled(written.error());
    note_store();
    if (!wait_after_failure()) return false;
  }
  if (stalled) {
    parts_.metrics.accepting = true;
    callbacks_.resumed();
  }
  size_t at = 0;
  for (Pending& pending : group) {
    if (pending.row) {
      pending.row->at = items[at].at;
      pending.row->size = items[at].size;
      ++at;
    }
    at += pending.own_alerts.size() + pending.verdicts.size();
  }
  return true;
}

Result<void> Committer::index(std::vector<Pending>& group, const std::vector<AckBook::Ack>& acks) {
  Index& index = parts_.index;
  uint64_t last = index.serial();
  TRY_VOID(index.begin());
  for (const Pending& pending : group) {
    if (pending.row) {
      TRY(index.add_batch(*pending.row));
      for (const ProfileRow& profile : pending.profiles) TRY_VOID(index.add_profile(profile, pending.row->serial));
      last = std::max(last, pending.row->serial);
    }
    for (const auto* alerts : {&pending.alerts, &pending.own_alerts})
      for (const auto& alert : *alerts) {
        TRY_VOID(index.add_alert(*alert));
        last = std::max(last, alert->serial);
      }
    for (const auto& verdict : pending.verdicts) {
      TRY_VOID(index.add_verdict(*verdict));
      last = std::max(last, verdict->serial);
    }
    for (const DetonationRow& detonation : pending.detonations) {
      TRY_VOID(index.add_detonation(detonation));
      last = std::max(last, detonation.serial);
    }
    if (pending.shown) last = std::max(last, pending.shown->serial);
  }
  for (const AckBook::Ack& ack : acks) TRY_VOID(index.add_ack(ack.body, ack.bytes));
  return index.commit(parts_.store.end(), last);
}

bool Committer::commit(std::vector<Pending>& group) {
  if (!append(group)) return false;
  // On the disk: from here on an acknowledgement is true, whatever happens to the index.
  std::map<std::pair<std::string, Lane>, const BatchRow*> heads;
  for (const Pending& pending : group)
    if (pending.row) heads[{pending.row->node, pending.row->lane}] = pending.row.get();
  std::vector<AckBook::Ack> acks;
  const uint64_t now = wall_now_ns();
  for (const auto& [name, row] : heads) acks.push_back(parts_.acks.advance(name.first, name.second, row->head, now));

  bool told = false;
  for (;;) {
    auto indexed = index(group, acks);
    if (indexed) break;
    parts_.index.rollback();
    ++parts_.metrics.index_errors;
    if (indexed.error().code == EBADMSG) {
      callbacks_.broken(indexed.error());
      return false;
    }
    parts_.metrics.accepting = false;
    if (!std::exchange(told, true)) callbacks_.stalled(indexed.error());
    if (!wait_after_failure()) return false;
  }
  if (told) {
    parts_.metrics.accepting = true;
    callbacks_.resumed();
  }
  const uint64_t serial = parts_.index.serial();
  committed_.store(serial, std::memory_order_release);
  parts_.alerts.committed(serial);
  parts_.verdicts.committed(serial);
  for (const AckBook::Ack& ack : acks) callbacks_.send(ack);
  for (Pending& pending : group) {
    if (pending.receipt) pending.receipt->done();
    if (!pending.row) continue;
    Metrics::PerLane& lane = parts_.metrics.lane(pending.row->lane);
    ++lane.batches;
    lane.events += pending.row->count;
    lane.bytes += pending.bytes.size();
  }
  note_store();
  return true;
}

void Committer::note_store() {
  const auto free = parts_.store.free_bytes();
  const std::lock_guard lock(mutex_);
  gauges_.nodes = parts_.index.node_count();
  gauges_.segments = parts_.store.segment_count();
  gauges_.store_bytes = parts_.store.total_bytes();
  gauges_.free_bytes = free ? *free : 0;
}

Gauges Committer::gauges() const {
  const std::lock_guard lock(mutex_);
  Gauges gauges = gauges_;
  gauges.waiting_batches = queue_.size();
  return gauges;
}

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  room_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  // Fails only on a broken disk; then the next start checks the index as after a crash.
  (void)parts_.index.close();
}

}  // namespace shrike::collector
