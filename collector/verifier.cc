#include "collector/verifier.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "collector/profiles.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/codec.h"

namespace shrike::collector {
namespace {

constexpr uint64_t start_patience_ns = 15'000'000'000;

std::string named(const BatchHeader& header) {
  std::string name = "node " + header.node + ", lane " + std::string(lane_name(header.lane));
  return header.seq == 0 ? name : name + ", seq " + std::to_string(header.seq);
}

Checked refuse(Verdict verdict, BatchHeader header, const std::string& why) {
  Checked checked;
  checked.verdict = verdict;
  checked.reason = named(header) + ": " + why;
  checked.header = std::move(header);
  return checked;
}

}  // namespace

// Any start of an unknown node's chain would be accepted, should this collector have lost its state. But what a killed
// one had in hand, the bus delivers again only after a while, and behind newer messages: those wait for it, and then
// the lowest that was heard begins.
bool Verifier::too_early(const BatchHeader& header, uint64_t received_ns) {
  const uint64_t first = header.drop ? header.drop->first : header.seq;
  if (first <= 1) return false;
  Start& start = starts_.try_emplace(header.node, Start{received_ns, first}).first->second;
  start.since_ns = std::min(start.since_ns, received_ns);
  start.lowest = std::min(start.lowest, first);
  const uint64_t waited = received_ns - start.since_ns;
  return waited < start_patience_ns || (first != start.lowest && waited < 2 * start_patience_ns);
}

// What was accepted: first what waits for the disk, then the index. A read error must not look like "never seen".
class Verifier::History : public ChainHistory {
 public:
  History(Verifier& verifier, const BatchHeader& header) : verifier_(verifier), header_(header) {}

  std::optional<Digest> hash_of(const BootId& boot, uint64_t seq) const override {
    for (const Recent& recent : verifier_.recent_)
      if (recent.seq == seq && recent.boot == boot && recent.node == header_.node) return recent.hash;
    return get(verifier_.index_.hash_of(header_.node, header_.lane, boot, seq));
  }
  bool covered(const BootId& boot, uint64_t seq) const override {
    for (const Recent& recent : verifier_.recent_)
      if (recent.first_seq != 0 && recent.first_seq <= seq && seq <= recent.seq && recent.boot == boot &&
          recent.node == header_.node)
        return true;
    return get(verifier_.index_.covered(header_.node, header_.lane, boot, seq));
  }
  bool knows(const BootId& boot) const override {
    for (const Recent& recent : verifier_.recent_)
      if (recent.boot == boot && recent.node == header_.node) return true;
    return get(verifier_.index_.knows(header_.node, header_.lane, boot));
  }
  mutable std::optional<Error> failed;

 private:
  template <class T>
  T get(Result<T> result) const {
    if (result) return std::move(result).value();
    failed = result.error();
    return T{};
  }
  Verifier& verifier_;
  const BatchHeader& header_;
};

Verifier::Verifier(Lane lane, Registry& registry, IndexReader history, const std::atomic<uint64_t>& committed,
                   const std::vector<NodeState>& nodes)
    : lane_(lane), registry_(registry), index_(std::move(history)), committed_(committed) {
  for (const NodeState& node : nodes)
    if (const auto state = node.lanes.find(lane); state != node.lanes.end()) heads_[node.node] = state->second.head;
}

Result<Checked> Verifier::check(const BatchSubject& subject, std::string_view bytes, uint64_t received_ns) {
  while (!recent_.empty() && recent_.front().serial <= committed_.load(std::memory_order_acquire)) recent_.pop_front();
  BatchHeader unknown;
  unknown.node = subject.node;
  unknown.lane = subject.lane;
  auto opened = open_batch(bytes);
  if (!opened) return refuse(Verdict::malformed, unknown, opened.error().message);
  const OpenBatch& batch = *opened;
  const BatchHeader& header = batch.header;
  if (header.node != subject.node || header.lane != subject.lane || header.lane != lane_) {
    // Told of the node whose subject it came on: that is who was let in to publish it.
    unknown.boot = header.boot;
    unknown.seq = header.seq;
    return refuse(Verdict::forged, unknown,
                  "its header says node " + header.node + ", lane " + std::string(lane_name(header.lane)));
  }
  if (header.seq > INT64_MAX || header.first_time_ns > INT64_MAX || header.last_time_ns > INT64_MAX)
    return refuse(Verdict::malformed, unknown, "seq or time beyond 2^63");
  const Registry::Admission admission = registry_.admit(header);
  if (!admission.key) return refuse(Verdict::forged, header, admission.refusal);
  if (!verify_signature(batch, *admission.key)) {
    auto other = PublicKey::from_raw(header.public_key);
    const bool foreign = other && !(*other == *admission.key) && verify_signature(batch, *other);
    return refuse(Verdict::forged, header,
                  foreign ? "signed by another key (" + other->to_hex() + ") than this node's"
                          : "its signature does not fit: bytes were changed, or another key signed");
  }
  auto payload = open_payload(batch);
  if (!payload) return refuse(Verdict::forged, header, payload.error().message);
  if (admission.first) TRY_VOID(registry_.pin(header.node, *admission.key));

  ChainHead& head = heads_[header.node];
  if (head.seq == 0 && too_early(header, received_ns)) {
    Checked checked = refuse(Verdict::gap, header,
                             "the first one heard of this node, and not the first of its chain: "
                             "waiting for earlier ones");
    checked.authentic = true;
    checked.first_key = admission.first;
    return checked;
  }
  const ChainHead before = head;
  const History history(*this, header);
  Judgement judgement = judge(batch, head, history);
  if (history.failed) {
    head = before;
    return *history.failed;
  }
  Checked checked;
  checked.verdict = judgement.verdict;
  checked.reason = std::move(judgement.reason);
  checked.authentic = true;
  checked.first_key = admission.first;
  checked.unlinked = judgement.unlinked;
  checked.header = header;
  if (judgement.verdict != Verdict::accepted) return checked;
  starts_.erase(header.node);
  checked.row = row_of(batch, before, head, received_ns);
  checked.row.unlinked = judgement.unlinked;
  if (lane_ == Lane::alerts) {
    checked.alerts = alerts_of(header, *payload, received_ns, checked.alerts_unread);
  } else {
    checked.profiles = profiles_of(header, *payload, received_ns);
    notes_of(header, *payload, checked.detonations, checked.commands);
  }
  return checked;
}

void Verifier::taken(const Checked& checked, uint64_t serial) {
  const BatchRow& row = checked.row;
  recent_.push_back({serial, row.node, row.boot, row.first_seq, row.seq, row.hash});
}

BatchRow row_of(const OpenBatch& batch, const ChainHead& before, const ChainHead& after, uint64_t received_ns) {
  const BatchHeader& header = batch.header;
  BatchRow row;
  row.node = header.node;
  row.boot = header.boot;
  row.lane = header.lane;
  row.seq = header.seq;
  row.first_seq = header.drop ? header.drop->first : 0;
  row.hash = batch.hash;
  row.head = after;
  row.first_time_ns = header.first_time_ns;
  row.last_time_ns = header.last_time_ns;
  row.received_ns = received_ns;
  row.count = header.count;
  if (header.drop) {
    // A statement may reach back over batches that had arrived after all.
    const uint64_t known = before.boot == header.boot ? before.seq : 0;
    row.dropped_batches = header.seq - std::max(known, header.drop->first - 1);
    row.dropped_events = header.drop->events;
  }
  row.agent_version = header.agent_version;
  row.losses = header.losses;
  return row;
}

std::vector<Alert> alerts_of(const BatchHeader& header, const OpenPayload& payload, uint64_t received_ns,
                             uint64_t& unread) {
  std::vector<Alert> alerts;
  for (size_t index = 0; index < payload.events.size(); ++index) {
    auto alert = decode_alert(payload.events[index]);
    if (!alert) {
      ++unread;
      continue;
    }
    alert->time_ns = std::min<uint64_t>(alert->time_ns, INT64_MAX);
    alert->node = header.node;
    alert->evidence = {std::string(lane_name(header.lane)), header.seq, static_cast<uint32_t>(index),
                       std::string(verdict_name(Verdict::accepted))};
    alert->latency_us = (static_cast<int64_t>(received_ns) - static_cast<int64_t>(alert->time_ns)) / 1000;
    alerts.push_back(std::move(alert).value());
  }
  return alerts;
}

void notes_of(const BatchHeader& header, const OpenPayload& payload, std::vector<DetonationRow>& detonations,
              std::vector<CommandNews>& commands) {
  for (size_t index = 0; index < payload.events.size(); ++index) {
    if (!is_note(payload.events[index])) continue;
    const auto note = decode_note(payload.events[index]);
    if (!note) continue;
    if (note->kind == EventKind::command) {
      if (auto news = command_news_from_json(note->detail)) commands.push_back(std::move(news).value());
      continue;
    }
    if (!check_command_id(note->subject) || !is_plain_json_object(note->detail)) continue;
    DetonationRow row;
    row.time_ns = std::min<uint64_t>(note->time_ns, INT64_MAX);
    row.node = header.node;
    row.id = note->subject;
    const nlohmann::ordered_json head = {
        {"time", rfc3339(row.time_ns)},
        {"node", row.node},
        {"id", row.id},
        {"caller", note->state},
        {"evidence",
         {{"lane", lane_name(header.lane)},
          {"boot", hex({reinterpret_cast<const char*>(header.boot.data()), header.boot.size()})},
          {"seq", header.seq},
          {"index", index},
          {"verdict", verdict_name(Verdict::accepted)}}}};
    row.json = head.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    // The agent's own object goes in as it stands: it was looked at above, and newlines are spaces in JSON.
    row.json.back() = ',';
    std::string detail = note->detail;
    std::replace(detail.begin(), detail.end(), '\n', ' ');
    row.json += "\"detail\":" + detail + "}";
    detonations.push_back(std::move(row));
  }
}

}  // namespace shrike::collector
