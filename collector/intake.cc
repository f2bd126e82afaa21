#include "collector/intake.h"

#include "common/base/clock.h"

namespace shrike::collector {
namespace {

constexpr std::chrono::milliseconds gap_again{2000};
constexpr std::chrono::milliseconds error_again{2000};

std::shared_ptr<VerdictRow> verdict_row(const Checked& checked, uint64_t now_ns) {
  auto row = std::make_shared<VerdictRow>();
  row->received_ns = now_ns;
  row->node = checked.header.node;
  row->boot = checked.header.boot;
  row->lane = checked.header.lane;
  row->seq = checked.header.seq;
  row->verdict = checked.verdict;
  row->reason = checked.reason;
  row->events = checked.header.count;
  return row;
}

}  // namespace

std::shared_ptr<AlertRow> Intake::row_of(Alert alert) {
  auto row = std::make_shared<AlertRow>();
  row->json = alert_to_json(alert);
  row->alert = std::move(alert);
  return row;
}

void Intake::take(Lane lane, std::string_view subject, std::string_view bytes, std::unique_ptr<Receipt> receipt) {
  const uint64_t begin = boot_now_ns();
  const uint64_t now = wall_now_ns();
  Metrics::PerLane& metrics = parts_.metrics.lane(lane);
  Verifier& verifier = parts_.verifiers[lane == Lane::alerts ? 0 : 1];
  Checked checked;
  auto parsed = parse_batch_subject(subject);
  if (parsed && parsed->lane == lane) {
    auto judged = verifier.check(*parsed, bytes, now);
    if (!judged) {
      receipt->again(error_again);
      const std::lock_guard lock(limits_mutex_);
      if (notes_.pass("check", now))
        parts_.note(true, "a batch could not be judged, it is tried again: " + judged.error().message);
      return;
    }
    checked = std::move(judged).value();
  } else {
    checked.header.lane = lane;
    checked.reason = "subject \"" + std::string(subject.substr(0, 200)) +
                     "\": " + (parsed ? std::string("not of this lane's stream") : parsed.error().message);
  }
  ++metrics.verdicts[static_cast<size_t>(checked.verdict)];
  metrics.check_ns += boot_now_ns() - begin;

  if (checked.first_key)
    parts_.note(false, "node " + checked.header.node + ": its key is trusted from now on (first use)");

  Pending pending;
  if (checked.authentic) {
    if (auto ack = parts_.acks.heard(checked.header.node, checked.header.lane, checked.verdict, now)) parts_.send(*ack);
    if (parts_.heard) parts_.heard(checked.header.node, checked.commands);
  }
  if (checked.verdict == Verdict::accepted) {
    pending.bytes = bytes;
    pending.profiles = std::move(checked.profiles);
    accept(checked, now, pending);
  } else if (checked.verdict == Verdict::duplicate) {
    pending.shown = verdict_row(checked, now);
  } else {
    refuse(lane, checked, bytes, now, pending);
  }
  if (checked.verdict == Verdict::gap) {
    // Kept on the bus: the agent's next try carries the same message id, and the bus would swallow it as a duplicate.
    // So many of one node, and no more: they take the room of others' messages in flight.
    const std::lock_guard lock(limits_mutex_);
    if (gaps_.pass(checked.header.node, now)) {
      receipt->again(gap_again);
    } else {
      pending.receipt = std::move(receipt);
    }
  } else {
    pending.receipt = std::move(receipt);
  }
  const auto room = lane == Lane::alerts ? Committer::Room::alerts : Committer::Room::telemetry;
  const uint64_t serial = parts_.committer.push(std::move(pending), room);
  if (serial != 0 && checked.verdict == Verdict::accepted) verifier.taken(checked, serial);
}

void Intake::accept(const Checked& checked, uint64_t now_ns, Pending& pending) {
  pending.row = std::make_shared<BatchRow>(checked.row);
  for (const Alert& alert : checked.alerts) pending.alerts.push_back(row_of(alert));
  pending.detonations = checked.detonations;
  parts_.metrics.alerts += checked.alerts.size();
  parts_.metrics.alerts_unread += checked.alerts_unread;
  for (Alert& alert : parts_.watch.accepted(checked.header, now_ns))
    pending.own_alerts.push_back(row_of(std::move(alert)));
  if (checked.unlinked) {
    const BatchHeader& header = checked.header;
    pending.own_alerts.push_back(
        row_of(integrity_alert("Chain restarted", Severity::medium, {header.node, header.lane, header.boot, header.seq},
                               Verdict::accepted, "Chain restarted: " + checked.reason, now_ns)));
  }
  parts_.metrics.integrity_alerts += pending.own_alerts.size();
  pending.shown = verdict_row(checked, now_ns);
}

void Intake::refuse(Lane lane, const Checked& checked, std::string_view bytes, uint64_t now_ns, Pending& pending) {
  auto row = verdict_row(checked, now_ns);
  row->lane = lane;
  if (checked.verdict == Verdict::gap) parts_.watch.gap(checked.header, checked.reason, now_ns);
  const std::string name = row->node + " " + std::string(verdict_name(row->verdict));
  std::optional<uint64_t> stored, told;
  {
    const std::lock_guard lock(limits_mutex_);
    stored = stored_.pass(name, now_ns);
    if (checked.verdict != Verdict::gap) told = told_.pass(name, now_ns);  // a gap only when it stays: Watch
  }
  if (stored) {
    pending.verdicts.push_back(row);
  } else {
    ++parts_.metrics.verdicts_unstored;
  }
  if (!told) return;
  pending.own_alerts.push_back(row_of(verdict_alert(*row, *told, now_ns)));
  ++parts_.metrics.integrity_alerts;
  if (auto kept = parts_.quarantine.keep(*row, bytes); !kept) {
    const std::lock_guard lock(limits_mutex_);
    if (notes_.pass("quarantine", now_ns))
      parts_.note(true, "a refused batch could not be kept: " + kept.error().message);
  }
}

void Intake::tell(Alert alert) {
  Pending pending;
  pending.own_alerts.push_back(row_of(std::move(alert)));
  ++parts_.metrics.integrity_alerts;
  parts_.committer.push(std::move(pending), Committer::Room::own);
}

void Intake::tick() {
  const uint64_t now = wall_now_ns();
  for (Alert& alert : parts_.watch.tick(now)) tell(std::move(alert));
  for (const AckBook::Ack& ack : parts_.acks.due(now)) parts_.send(ack);
}

}  // namespace shrike::collector
