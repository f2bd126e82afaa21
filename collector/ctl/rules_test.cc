// `shrike rules test`: rules over the records that an agent's --capture has written.

#include "collector/ctl/rules.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/replay.h"
#include "collector/ctl/commands.h"
#include "common/base/clock.h"
#include "common/wire/text.h"
#include "scoring/rules/explain.h"

namespace shrike::ctl {
namespace {

using nlohmann::ordered_json;
using scoring::RuleStatus;

struct Tried {
  const RuleStatus* status = nullptr;
  std::vector<EventKind> kinds;  // that can satisfy it
  uint64_t matches = 0;
  uint64_t last_ns = 0;
  Alert first;
};

/// Counts what matches; the pipeline merges nothing here, so that each match is an alert.
class Matches : public agent::Sink {
 public:
  explicit Matches(std::map<std::string, Tried, std::less<>>& rules) : rules_(rules) {}
  void event(const Event&) override {
    constexpr uint64_t show_every = 1u << 16;
    if (++events_ % show_every == 0) progress_.show("replaying: " + std::to_string(events_) + " events");
  }
  void alert(const Alert& alert) override {
    if (alert.source != AlertSource::falco && alert.source != AlertSource::sigma) return;
    const auto at = rules_.find(alert.rule);
    if (at == rules_.end()) return;
    if (at->second.matches++ == 0) at->second.first = alert;
    at->second.last_ns = alert.time_ns;
  }

 private:
  std::map<std::string, Tried, std::less<>>& rules_;
  Progress progress_;
  uint64_t events_ = 0;
};

std::map<std::string, Tried, std::less<>> rules_of(const CompiledRules& compiled) {
  std::map<std::string, Tried, std::less<>> out;
  for (const RuleStatus& status : compiled.statuses) {
    if (status.state != RuleStatus::State::loaded) continue;
    Tried& rule = out[status.rule];
    if (rule.status != nullptr) continue;
    rule.status = &status;
    const auto explanation = compiled.rules.explain(status.rule);
    if (!explanation) continue;
    for (const auto& kind : explanation->kinds)
      if (const auto known = kind_named(kind.kind)) rule.kinds.push_back(*known);
  }
  return out;
}

/// Why a rule had no chance; empty when it had one.
std::string no_chance(const Tried& rule, const agent::Pipeline::Counts& counts) {
  constexpr size_t names_max = 6;
  if (rule.kinds.empty()) return "it can never match (see shrike rules explain)";
  std::string names;
  for (size_t i = 0; i < rule.kinds.size(); ++i) {
    if (counts.events[static_cast<size_t>(rule.kinds[i])] != 0) return {};
    if (i < names_max) names += (i == 0 ? "" : ", ") + std::string(kind_name(rule.kinds[i]));
    if (i == names_max) names += ", ...";
  }
  return "the capture has no event it could match (" + names + ")";
}

std::string as_json(const std::string& name, const Tried& rule, const std::string& reason) {
  ordered_json json{{"rule", name},
                    {"file", rule.status->file},
                    {"line", rule.status->line},
                    {"matches", rule.matches},
                    {"first_time", rule.matches == 0 ? "" : rfc3339(rule.first.time_ns)},
                    {"last_time", rule.matches == 0 ? "" : rfc3339(rule.last_ns)},
                    {"reason", reason},
                    {"first", nullptr}};
  if (rule.matches != 0) json["first"] = ordered_json::parse(alert_to_json(rule.first), nullptr, false);
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// The beginning of a text that may be a command line of thousands of characters.
std::string beginning(const std::string& text) {
  constexpr size_t most = 240;
  if (text.size() <= most) return printable(text);
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return printable(text.substr(0, end)) + " ...";
}

void print(const std::string& name, const Tried& rule, const std::string& reason, Output& out) {
  std::string count = std::to_string(rule.matches);
  count.insert(0, count.size() < 8 ? 8 - count.size() : 0, ' ');
  const bool paint = out.colour() && rule.matches != 0;
  out.line(count + "  " + (paint ? "\033[1m" : "") + printable(name) + (paint ? "\033[0m" : ""));
  const std::string indent(10, ' ');
  if (rule.matches != 0)
    out.line(indent + rfc3339(rule.first.time_ns) + " " + beginning(rule.first.message) + " (process " +
             std::to_string(rule.first.process.pid) + ")");
  if (!reason.empty()) out.line(indent + reason);
}

/// Of `--expect`; says what is missing.
bool as_expected(const RulesTestOptions& options, const std::map<std::string, Tried, std::less<>>& rules) {
  bool good = true;
  for (const std::string& name : options.expect) {
    const auto at = rules.find(name);
    if (at != rules.end() && at->second.matches != 0) continue;
    good = false;
    complain("\"" + printable(name) + "\" " + (at == rules.end() ? "is no rule that is loaded" : "did not match"));
  }
  return good;
}

}  // namespace

int run_rules_test(const RulesTestOptions& options, Output& out) {
  auto compiled = compile_rule_files(options.files);
  if (!compiled.ok()) {
    complain(compiled.error().message);
    return exit_failed;
  }
  auto rules = rules_of(*compiled);
  agent::ReplayOptions replay;
  replay.capture = options.capture;
  replay.node = "capture";
  replay.findings.quiet_ns = 0;
  const auto replayed = [&] {
    Matches matches(rules);
    return agent::replay(replay, std::move(compiled->rules), matches);
  }();
  if (!replayed.ok()) {
    complain(replayed.error().message);
    return exit_failed;
  }

  std::vector<std::pair<const std::string, Tried>*> order;
  for (auto& rule : rules) order.push_back(&rule);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->second.matches > b->second.matches; });
  size_t matched = 0;
  uint64_t matches = 0;
  for (const auto* rule : order) {
    matched += rule->second.matches != 0;
    matches += rule->second.matches;
    if (rule->second.matches == 0 && !options.all) continue;
    const std::string reason = rule->second.matches == 0 ? no_chance(rule->second, replayed->counts) : "";
    if (options.json) {
      out.line(as_json(rule->first, rule->second, reason));
    } else {
      print(rule->first, rule->second, reason, out);
    }
  }
  if (!options.json) {
    std::string summary = std::to_string(matched) + " of " + std::to_string(rules.size()) + " rules matched, " +
                          std::to_string(matches) + " times, in " + std::to_string(replayed->counts.records) +
                          " records of " + printable(replayed->host);
    if (replayed->first_ns != 0) summary += " of " + rfc3339(replayed->first_ns);
    out.line(summary);
  }
  const bool expected = as_expected(options, rules);
  if (replayed->counts.undecodable != 0)
    complain(std::to_string(replayed->counts.undecodable) + " records could not be decoded");
  if (!replayed->damage.empty()) complain("the capture ends early: " + replayed->damage);
  return expected && replayed->damage.empty() ? exit_ok : exit_failed;
}

}  // namespace shrike::ctl
