#include "collector/findings.h"

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/wire/text.h"

namespace shrike::collector {
namespace {

using nlohmann::json;

std::string hex_of(const BootId& boot) { return hex({reinterpret_cast<const char*>(boot.data()), boot.size()}); }

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// A finding of ours is read back only by us, but from a file: every type is checked.
template <class T>
T number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? static_cast<T>(found->get<uint64_t>()) : T{};
}
std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Alert integrity_alert(const std::string& rule, Severity severity, const Subject& subject, Verdict verdict,
                      const std::string& message, uint64_t now_ns) {
  Alert alert;
  alert.time_ns = now_ns;
  alert.node = subject.node;
  alert.rule = rule;
  alert.source = AlertSource::integrity;
  alert.severity = severity;
  alert.risk = severity >= Severity::critical ? 1.0 : severity >= Severity::high ? 0.8 : 0.5;
  alert.message = message;
  alert.fields = {{"boot", hex_of(subject.boot)},
                  {"lane", std::string(lane_name(subject.lane))},
                  {"seq", std::to_string(subject.seq)}};
  alert.evidence = {std::string(lane_name(subject.lane)), subject.seq, 0, std::string(verdict_name(verdict))};
  const std::string identity = rule + '\0' + subject.node + '\0' + alert.evidence.lane + '\0' + hex_of(subject.boot) +
                               '\0' + std::to_string(subject.seq) + '\0' + std::to_string(now_ns);
  alert.uid = hex(as_bytes(sha256(identity)).substr(0, 16));
  return alert;
}

Alert verdict_alert(const VerdictRow& row, uint64_t more, uint64_t now_ns) {
  struct Kind {
    const char* rule;
    Severity severity;
  };
  const Kind kind = [&]() -> Kind {
    switch (row.verdict) {
      case Verdict::forged:
        return {"Batch forged", Severity::critical};
      case Verdict::forked:
        return {"Chain forked", Severity::critical};
      case Verdict::rolled_back:
        return {"Chain rolled back", Severity::critical};
      case Verdict::malformed:
        return {"Batch malformed", Severity::high};
      case Verdict::gap:
        return {"Batches missing", Severity::high};
      case Verdict::accepted:
      case Verdict::duplicate:
        break;
    }
    return {"Batch refused", Severity::high};
  }();
  const std::string tail = more == 0 ? "" : " (and " + std::to_string(more) + " more like it since the last alert)";
  Alert alert = integrity_alert(kind.rule, kind.severity, {row.node, row.lane, row.boot, row.seq}, row.verdict,
                                std::string(kind.rule) + ": " + row.reason + tail, now_ns);
  alert.count = static_cast<uint32_t>(std::min<uint64_t>(more + 1, UINT32_MAX));
  return alert;
}

std::string finding_of(const Alert& alert) {
  return dump({{"alert", json::parse(alert_to_json(alert), nullptr, false)}});
}

std::string finding_of(const VerdictRow& row) {
  return dump({{"verdict",
                {{"received_ns", row.received_ns},
                 {"node", row.node},
                 {"boot", hex_of(row.boot)},
                 {"lane", static_cast<uint64_t>(row.lane)},
                 {"seq", row.seq},
                 {"verdict", static_cast<uint64_t>(row.verdict)},
                 {"reason", row.reason},
                 {"events", row.events}}}});
}

Result<Finding> open_finding(std::string_view body) {
  const json object = json::parse(body, nullptr, false);
  if (!object.is_object()) return Error{"finding: not a JSON object"};
  Finding finding;
  if (const auto alert = object.find("alert"); alert != object.end())
    finding.alert = TRY(alert_from_json(dump(*alert)));
  if (const auto found = object.find("verdict"); found != object.end() && found->is_object()) {
    VerdictRow row;
    row.received_ns = number<uint64_t>(*found, "received_ns");
    row.node = text(*found, "node");
    const auto boot = unhex(text(*found, "boot"));
    if (boot && boot->size() == row.boot.size())
      std::copy(boot->begin(), boot->end(), reinterpret_cast<char*>(row.boot.data()));
    const auto lane = number<uint64_t>(*found, "lane");
    const auto verdict = number<uint64_t>(*found, "verdict");
    if (lane < 1 || lane > 2 || verdict < 1 || verdict > 7) return Error{"finding: lane or verdict out of range"};
    row.lane = static_cast<Lane>(lane);
    row.seq = number<uint64_t>(*found, "seq");
    row.verdict = static_cast<Verdict>(verdict);
    row.reason = text(*found, "reason");
    row.events = number<uint32_t>(*found, "events");
    finding.verdict = std::move(row);
  }
  if (!finding.alert && !finding.verdict) return Error{"finding: neither an alert nor a verdict"};
  return finding;
}

std::optional<uint64_t> Limiter::pass(const std::string& name, uint64_t now_ns) {
  auto found = states_.find(name);
  if (found == states_.end()) {
    if (states_.size() >= names_max_) {
      // Names that have long been quiet make room; when none has, all strangers share one state.
      std::erase_if(states_, [&](const auto& entry) {
        return entry.second.held_back == 0 && now_ns - entry.second.refilled_ns > interval_ns_ * 10;
      });
    }
    const bool full = states_.size() >= names_max_;
    found = states_.try_emplace(full ? std::string() : name, State{now_ns, burst_, 0}).first;
  }
  State& state = found->second;
  if (now_ns < state.refilled_ns) state.refilled_ns = now_ns;  // the clock was set back
  const uint64_t refills = (now_ns - state.refilled_ns) / interval_ns_;
  if (refills > 0) {
    state.tokens = static_cast<uint32_t>(std::min<uint64_t>(burst_, state.tokens + refills));
    state.refilled_ns += refills * interval_ns_;
  }
  if (state.tokens == 0) {
    ++state.held_back;
    return {};
  }
  --state.tokens;
  return std::exchange(state.held_back, 0);
}

}  // namespace shrike::collector
