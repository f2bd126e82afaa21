#include "agent/sequence/sequence_alerts.h"

#include <algorithm>

#include "scoring/rules/engine.h"
#include "scoring/sequence/call_names.h"

namespace shrike::sequence {
namespace {

// Equal to enum shrike_sequence_what.
constexpr uint64_t new_program = 1, new_ngram = 2, profile_full = 3;
// An unknown call makes all six windows that it is in unknown: fewer is a new order of known ones, seen once.
constexpr uint64_t misses_of_one_new_call = 6;
constexpr uint64_t misses_counted = 64;

std::string program_of(const Event& event) {
  if (event.process != nullptr && !event.process->exe.empty()) return event.process->exe;
  return std::string(event.task.name());
}

Alert about(const Event& event, const char* rule, double risk, double confidence) {
  Alert alert = scoring::alert_about(event);
  alert.rule = rule;
  alert.source = AlertSource::sequence;
  alert.severity = Severity::low;
  alert.risk = risk;
  alert.confidence = confidence;
  return alert;
}

}  // namespace

std::string name_of_call(uint16_t call) {
  if (call < scoring::sequence::call_limit)
    if (const auto name = scoring::sequence::call_name(call); !name.empty()) return std::string(name);
  return sequence_call_text(call);
}

void SequenceAlerts::on_new_program(const Event& event, std::vector<Alert>& alerts) const {
  // The process may have gone on to something else, where records come late.
  const bool is_it = event.process != nullptr && event.task.exe_inode == event.object.inode &&
                     event.process->task.exe_inode == event.object.inode;
  if (is_it && options_.saw)
    options_.saw(
        {.inode = event.object.inode, .ctime_ns = event.object.ctime_ns, .image = 0, .device = event.object.device},
        event.process->exe);
  if (!options_.novel_programs || event.time_ns < options_.quiet_until_ns) return;
  Alert alert = about(event, "Novel program", 0.1, 0.3);
  alert.message = program_of(event) + " was never executed on this node before: what it does is being learned";
  alerts.push_back(std::move(alert));
}

void SequenceAlerts::evaluate(const Event& event, std::vector<Alert>& alerts) const {
  if (event.kind != EventKind::sequence) return;
  const std::string program = program_of(event);
  if (event.arg[0] == new_program) return on_new_program(event, alerts);
  if (event.arg[0] == profile_full) {
    Alert alert = about(event, "Sequence profile full", 0.1, 1);
    alert.message = program + " does more than its profile of " + std::to_string(event.arg[3]) +
                    " sequences of calls holds: what does not fit is not judged";
    alert.fields = {{"sequence.known", std::to_string(event.arg[3])}};
    alerts.push_back(std::move(alert));
    return;
  }
  if (event.arg[0] != new_ngram) return;
  const uint64_t misses = std::min(event.arg[4], misses_counted);
  std::string calls;
  for (const uint16_t call : calls_of({.last = event.arg[1], .first = static_cast<uint32_t>(event.arg[2])})) {
    if (!calls.empty()) calls += ' ';
    calls += name_of_call(call);
  }
  // More of the last calls unknown: less likely one more order of the usual.
  const double share = static_cast<double>(misses) / static_cast<double>(misses_counted);
  Alert alert = about(event, "Unusual system calls", 0.15 + 0.45 * share, 0.3 + 0.4 * share);
  if (misses >= misses_of_one_new_call) alert.severity = Severity::medium;
  alert.message = program + " made calls in an order that it never did before: " + calls;
  alert.fields = {{"sequence.calls", calls},
                  {"sequence.unusual_of_last_64", std::to_string(misses)},
                  {"sequence.known", std::to_string(event.arg[3])},
                  {"sequence.program_calls", std::to_string(event.arg[5])}};
  alerts.push_back(std::move(alert));
}

}  // namespace shrike::sequence
