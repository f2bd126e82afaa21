#include "agent/ship/sealer.h"

#include "common/wire/codec.h"

namespace shrike::ship {
namespace {
constexpr size_t alerts_max_bytes = 256u << 10;
constexpr size_t event_max_bytes = 256u << 10;  // so that a batch stays under batch_max_bytes whatever is in it
}  // namespace

Sealer::Sealer(Spool& spool, SealerOptions options, Time now) : spool_(spool), options_(options), now_(now) {
  // Long ago: the first tick of a run begins with a heartbeat, so that a collector hears of it even when all is quiet.
  alerts_.last_sealed = telemetry_.last_sealed = now - options_.heartbeat;
  telemetry_since_ = now;
}

Result<void> Sealer::add(const Event& event) {
  scratch_.clear();
  encode_event(event, scratch_);
  if (auto added = add_encoded(scratch_, event.time_ns); !added)
    return added.error().in("event of kind " + std::string(kind_name(event.kind)));
  return {};
}

Result<void> Sealer::add_encoded(std::string_view event, uint64_t time_ns) {
  if (event.size() > event_max_bytes) {
    spool_.count_lost(1);
    return Error{"larger than 256 KiB, not taken"};
  }
  if (telemetry_.builder.count() == 0) telemetry_since_ = now_;
  telemetry_.builder.add(event, time_ns);
  ++counters_.events;
  if (telemetry_.builder.payload_bytes() < 4 * options_.telemetry_bytes &&
      telemetry_.builder.count() < batch_max_events)
    return {};
  return seal(telemetry_);
}

Result<void> Sealer::add(const Alert& alert) {
  if (alerts_.builder.payload_bytes() >= alerts_max_bytes || alerts_.builder.count() == batch_max_events) {
    if (auto sealed = seal(alerts_); !sealed)
      return sealed.error().in("alert '" + alert.rule + "' not taken, earlier ones wait");
  }
  encode_alert(alert, scratch_);
  if (scratch_.size() > event_max_bytes) return Error{"alert '" + alert.rule + "' is larger than 256 KiB, not taken"};
  alerts_.builder.add(scratch_, alert.time_ns);
  ++counters_.alerts;
  return {};
}

BatchHeader Sealer::header_for(LaneState& lane) {
  const NextLink link = spool_.next_link(lane.lane);
  BatchHeader header;
  header.node = spool_.identity().node;
  header.agent_version = spool_.identity().agent_version;
  header.public_key = spool_.identity().key.public_key().raw();
  header.policy_digest = policy_;
  header.boot = link.boot;
  header.lane = lane.lane;
  header.seq = link.seq;
  header.previous = link.previous;
  header.losses = spool_.losses(outside_);
  return header;
}

Result<void> Sealer::write(LaneState& lane, const std::string& bytes, const BatchHeader& header, const Digest& hash) {
  TRY_VOID(spool_.append(lane.lane, bytes, header, hash));
  lane.last_sealed = now_;
  ++counters_.batches;
  counters_.sealed_bytes += bytes.size();
  return {};
}

Result<void> Sealer::seal(LaneState& lane) {
  if (lane.lane == Lane::alerts && waiting_) {
    TRY_VOID(write(lane, waiting_->bytes, waiting_->header, waiting_->hash));
    waiting_.reset();
  }
  if (lane.builder.count() == 0) return {};
  BatchHeader header = header_for(lane);
  header.count = lane.builder.count();
  counters_.payload_bytes += lane.builder.payload_bytes();
  Digest hash;
  std::string bytes = lane.builder.seal(header, spool_.identity().key, hash);
  auto written = write(lane, bytes, header, hash);
  if (written) return {};
  if (lane.lane == Lane::alerts) {
    waiting_ = {std::move(bytes), std::move(header), hash};
  } else {
    counters_.lost_events += header.count;
    spool_.count_lost(header.count);
  }
  return written;
}

Result<void> Sealer::heartbeat(LaneState& lane) {
  const BatchHeader header = header_for(lane);
  Digest hash;
  return write(lane, seal_empty(header, spool_.identity().key, hash), header, hash);
}

Result<void> Sealer::tick(Time now) {
  now_ = now;
  Result<void> first;
  const auto keep = [&](Result<void> result) {
    if (first && !result) first = std::move(result);
  };
  if (alerts_.builder.count() > 0 || waiting_) keep(seal(alerts_));
  const auto age = now - telemetry_since_;
  const bool due = age >= options_.telemetry_age ||
                   (telemetry_.builder.payload_bytes() >= options_.telemetry_bytes && age >= options_.batch_pause);
  if (telemetry_.builder.count() > 0 && due) keep(seal(telemetry_));
  for (LaneState* lane : {&alerts_, &telemetry_}) {
    const bool quiet = now - lane->last_sealed >= options_.heartbeat;
    if (quiet && lane->builder.count() == 0 && !(lane == &alerts_ && waiting_)) keep(heartbeat(*lane));
  }
  return first;
}

Result<void> Sealer::seal_all() {
  auto alerts = seal(alerts_);
  auto telemetry = seal(telemetry_);
  if (!alerts) return alerts;
  return telemetry;
}

}  // namespace shrike::ship
