#include <algorithm>

#include "agent/self_watch.h"

namespace shrike::agent {
namespace {

constexpr uint64_t tell_again_ns = 10'000'000'000;
constexpr const char* class_names[probe::event_class_count] = {"lifecycle", "privilege", "file", "network"};
constexpr const char* loss_names[probe::loss_count] = {"ring_full", "over_budget", "too_large"};

/// Programs that the agent's own heartbeat makes run: the exit of a call that is always wanted, the entry of one that
/// is wanted when `opens`, and the birth and end of a thread.
bool beats(std::string_view program, bool opens) {
  if (program == "sys_enter") return opens;
  return program == "sys_exit" || program == "on_fork" || program == "on_exit";
}

}  // namespace

void HealthWatch::told_loss(std::vector<Alert>& alerts, uint64_t time_ns, const std::string& cause,
                            const std::string& loss_class, uint64_t value) {
  if (value == 0) return;
  const std::string name = cause + "/" + loss_class;
  auto at = std::find_if(told_.begin(), told_.end(), [&](const Told& told) { return told.name == name; });
  if (at == told_.end()) at = told_.insert(told_.end(), Told{name, 0, 0});
  if (value <= at->value || (at->time_ns != 0 && time_ns < at->time_ns + tell_again_ns)) return;
  const uint64_t more = value - at->value;
  const bool grave = loss_class == "lifecycle" || loss_class == "privilege";
  Alert alert = integrity_alert(time_ns, "Events lost", grave ? Severity::high : Severity::medium,
                                std::to_string(more) + " events of class " + loss_class + " were lost (" + cause +
                                    "), " + std::to_string(value) + " since the agent started");
  alert.fields = {
      {"cause", cause}, {"class", loss_class}, {"lost", std::to_string(more)}, {"total", std::to_string(value)}};
  alerts.push_back(std::move(alert));
  at->value = value;
  at->time_ns = time_ns;
}

std::vector<Alert> HealthWatch::on_losses(uint64_t time_ns, const Lost& lost) {
  std::vector<Alert> alerts;
  for (size_t c = 0; c < probe::event_class_count; ++c)
    for (size_t l = 0; l < probe::loss_count; ++l)
      told_loss(alerts, time_ns, loss_names[l], class_names[c], lost.kernel.lost[c][l]);
  told_loss(alerts, time_ns, "undecodable", "unknown", lost.undecodable);
  told_loss(alerts, time_ns, "ring_damage", "unknown", lost.kernel.ring_damage);
  return alerts;
}

std::vector<Alert> HealthWatch::on_heartbeat(uint64_t time_ns, const std::vector<probe::Counters::Program>& programs,
                                             bool opens) {
  std::vector<Alert> alerts;
  for (const auto& program : programs) {
    if (!beats(program.name, opens)) continue;
    auto at = std::find_if(beats_.begin(), beats_.end(), [&](const Beat& beat) { return beat.name == program.name; });
    if (at == beats_.end()) {
      beats_.push_back({program.name, program.runs, 0, false});
      continue;
    }
    at->silent = program.runs != at->runs ? 0 : at->silent + 1;
    at->runs = program.runs;
    if (at->silent >= 2 && !at->reported) {
      at->reported = true;
      alerts.push_back(integrity_alert(time_ns, "Probe silent", Severity::critical,
                                       "The eBPF program " + program.name + " no longer sees the agent's own calls: " +
                                           "it was detached or disabled, and what it watched goes unseen"));
    } else if (at->silent == 0 && at->reported) {
      at->reported = false;
      alerts.push_back(integrity_alert(time_ns, "Probe heard again", Severity::medium,
                                       "The eBPF program " + program.name + " runs again"));
    }
  }
  return alerts;
}

std::vector<Alert> feature_alerts(uint64_t time_ns, const probe::Features& features) {
  std::vector<Alert> alerts;
  for (const auto& note : features.notes)
    alerts.push_back(integrity_alert(time_ns, "Kernel feature missing", Severity::low, note));
  return alerts;
}

}  // namespace shrike::agent
