#include "collector/ctl/demo_summary.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

uint64_t sum(const Losses& losses) {
  uint64_t out = 0;
  for (const auto& [key, count] : losses) out += count;
  return out;
}

std::string lost_text(const Losses& losses) {
  if (losses.empty()) return "none";
  std::string out = with_commas(sum(losses)) + ":";
  for (const auto& [key, count] : losses) {
    out += " " + printable(key.cause) + "/" + printable(key.loss_class) + " " + with_commas(count);
  }
  return out;
}

std::string alerts_text(const std::map<std::string, uint64_t>& alerts) {
  uint64_t total = 0;
  std::string parts;
  for (const char* severity : {"critical", "high", "medium", "low", "info"}) {
    const auto found = alerts.find(severity);
    if (found == alerts.end()) continue;
    total += found->second;
    parts += (parts.empty() ? "" : ", ") + with_commas(found->second) + " " + severity;
  }
  return with_commas(total) + (parts.empty() ? "" : " (" + parts + ")");
}

/// Share of one core, 0..1 and above.
double share(const DemoSummary& summary) {
  const double seconds = std::chrono::duration<double>(summary.ran).count();
  return seconds > 0 ? std::chrono::duration<double>(summary.agent_cpu).count() / seconds : 0;
}

}  // namespace

void add_evidence(DemoSummary& summary, const collector::VerifyReport& after, uint64_t events_before,
                  uint64_t batches_before, const Losses& losses_before) {
  // What the alerts lane carries is alerts, counted where they are printed.
  uint64_t events = 0;
  for (const auto& [name, chain] : after.chains) events += name.second == Lane::telemetry ? chain.events : 0;
  summary.events = events - std::min(events, events_before);
  summary.batches = after.batches - std::min(after.batches, batches_before);
  Losses lost;
  for (const auto& [name, chain] : after.chains) {
    // Both lanes' headers carry the same counters; the later one is the larger.
    for (const auto& [key, count] : chain.losses) lost[key] = std::max(lost[key], count);
  }
  for (const auto& [key, count] : lost) {
    const auto old = losses_before.find(key);
    const uint64_t was = old == losses_before.end() || old->second > count ? 0 : old->second;
    if (count > was) summary.lost[key] = count - was;
  }
  switch (after.outcome()) {
    case collector::VerifyReport::Outcome::proven:
      summary.outcome = "proven";
      break;
    case collector::VerifyReport::Outcome::refuted:
      summary.outcome = "refuted";
      break;
    case collector::VerifyReport::Outcome::unknown:
      summary.outcome = "could not tell";
      break;
  }
  if (!after.problems.empty()) summary.first_problem = after.problems.front().sentence;
}

std::vector<std::string> summary_as_text(const DemoSummary& summary, bool colour) {
  char overhead[160];
  std::snprintf(overhead, sizeof overhead,
                "agent used %.2f s of CPU, %.1f %% of one core, and %.2f s to start; at most %s resident",
                std::chrono::duration<double>(summary.agent_cpu).count(), share(summary) * 100,
                std::chrono::duration<double>(summary.agent_start_cpu).count(),
                short_bytes(summary.agent_resident_bytes).c_str());
  const bool good = summary.outcome == "proven";
  const std::string outcome =
      !colour ? summary.outcome : (good ? "\033[1;32m" : "\033[1;31m") + summary.outcome + "\033[0m";
  std::vector<std::string> out{
      "ran " + short_duration(summary.ran) + " on node " + summary.node,
      "  events    " + with_commas(summary.events),
      "  lost      " + lost_text(summary.lost),
      "  alerts    " + alerts_text(summary.alerts),
      "  batches   " + with_commas(summary.batches) + " verified",
      "  overhead  " + std::string(overhead),
      "  evidence  " + outcome + (summary.first_problem.empty() ? "" : ": " + printable(summary.first_problem)),
  };
  if (!summary.state.empty()) {
    out.push_back("  kept in   " + summary.state + "; prove it again: shrike verify --state " + summary.state);
  }
  return out;
}

std::string summary_as_json(const DemoSummary& summary) {
  using Json = nlohmann::ordered_json;
  Json lost = Json::array();
  for (const auto& [key, count] : summary.lost) {
    lost.push_back({{"cause", key.cause}, {"class", key.loss_class}, {"count", count}});
  }
  uint64_t total = 0;
  for (const auto& [severity, count] : summary.alerts) total += count;
  Json inner{{"node", summary.node},
             {"seconds", std::chrono::duration<double>(summary.ran).count()},
             {"events", summary.events},
             {"lost", sum(summary.lost)},
             {"losses", std::move(lost)},
             {"alerts", total},
             {"alerts_by_severity", summary.alerts},
             {"batches", summary.batches},
             {"agent_cpu_seconds", std::chrono::duration<double>(summary.agent_cpu).count()},
             {"agent_core_share", share(summary)},
             {"agent_start_cpu_seconds", std::chrono::duration<double>(summary.agent_start_cpu).count()},
             {"agent_resident_bytes", summary.agent_resident_bytes},
             {"evidence", summary.outcome == "could not tell" ? "unknown" : summary.outcome}};
  if (!summary.first_problem.empty()) inner["problem"] = summary.first_problem;
  if (!summary.state.empty()) inner["state"] = summary.state;
  return Json{{"summary", std::move(inner)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shrike::ctl
