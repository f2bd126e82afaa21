// OCSF 1.5.0, class 2004: the first version that has anomaly_analyses. Times are milliseconds since 1970.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/format/format.h"
#include "common/format/text.h"

#ifndef SHRIKE_VERSION
#define SHRIKE_VERSION "0.0.0"
#endif

namespace shrike {
namespace {

using Json = nlohmann::ordered_json;
using format::clean;

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr int category_findings = 2;
constexpr int class_detection_finding = 2004;

struct Named {
  int id;
  std::string_view caption;
};

Named activity_of(Activity activity) {
  switch (activity) {
    case Activity::create:
      return {1, "Create"};
    case Activity::update:
      return {2, "Update"};
    case Activity::close:
      return {3, "Close"};
  }
  return {0, "Unknown"};
}

/// Nobody has resolved a finding that only does not come again: of what the schema names for that, none is true.
Named status_of(Activity activity) {
  if (activity == Activity::close) return {99, "Quiet"};
  return activity == Activity::create ? Named{1, "New"} : Named{2, "In Progress"};
}

Named severity_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return {1, "Informational"};
    case Severity::low:
      return {2, "Low"};
    case Severity::medium:
      return {3, "Medium"};
    case Severity::high:
      return {4, "High"};
    case Severity::critical:
      return {5, "Critical"};
  }
  return {0, "Unknown"};
}

/// The same borders as between the risks of our severities.
Named risk_level_of(double risk) {
  if (risk >= 0.9) return {4, "Critical"};
  if (risk >= 0.65) return {3, "High"};
  if (risk >= 0.4) return {2, "Medium"};
  if (risk >= 0.2) return {1, "Low"};
  return {0, "Info"};
}

Named confidence_of(double confidence) {
  if (confidence >= 0.8) return {3, "High"};
  if (confidence >= 0.5) return {2, "Medium"};
  return {1, "Low"};
}

Named analytic_type_of(AlertSource source) {
  switch (source) {
    case AlertSource::falco:
    case AlertSource::sigma:
    case AlertSource::integrity:
    case AlertSource::response:
      return {1, "Rule"};
    case AlertSource::sequence:
      return {3, "Statistical"};
    case AlertSource::sandbox:
      return {2, "Behavioral"};
  }
  return {0, "Unknown"};
}

int percent(double share) { return static_cast<int>(std::lround(share * 100)); }

/// "T1003.008" is the sub-technique, "T1003" its technique. Names are left out: the ids say it.
Json attacks_of(const Alert& alert) {
  Json attacks = Json::array();
  for (const std::string& id : alert.attack) {
    const std::string text = clean(id);
    const size_t dot = text.find('.');
    Json attack = {{"technique", {{"uid", text.substr(0, dot)}}}};
    if (dot != std::string::npos) attack["sub_technique"] = {{"uid", text}};
    attacks.push_back(std::move(attack));
  }
  return attacks;
}

Json file_of(const std::string& path) {
  const std::string whole = clean(path);
  const std::string name = whole.substr(whole.rfind('/') + 1);
  return {{"name", name.empty() ? whole : name}, {"path", whole}, {"type_id", 1}};
}

Json process_of(const Alert& alert) {
  const AlertProcess& from = alert.process;
  Json user = {{"uid", std::to_string(from.uid)}};
  if (!from.user.empty()) user["name"] = clean(from.user);
  Json process = {{"pid", from.pid}, {"name", clean(from.name)}, {"cmd_line", clean(from.cmdline)}};
  if (from.start_ns != 0) process["created_time"] = from.start_ns / ns_per_ms;
  if (!from.exe.empty()) process["file"] = file_of(from.exe);
  if (!from.cwd.empty()) process["working_directory"] = clean(from.cwd);
  process["user"] = std::move(user);
  for (const std::string& name : alert.ancestors) process["ancestry"].push_back({{"name", clean(name)}});
  return process;
}

/// One analysis for each detector that took part: its score against 0, which is what it says of the usual.
Json anomalies_of(const Alert& alert) {
  Json list = Json::array();
  for (const auto& [detector, score] : alert.scores) {
    const auto seen = [](const std::string& value) { return Json::array({{{"value", value}}}); };
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", score);
    list.push_back({
        {"analysis_targets", Json::array({{{"name", clean(alert.process.name)}, {"type", "Process Tree"}}})},
        {"anomalies", Json::array({{{"observation_parameter", clean(detector) + " score"},
                                    {"observation_type", "Risk"},
                                    {"observations", seen(text)}}})},
        {"baselines", Json::array({{{"observation_parameter", clean(detector) + " score"},
                                    {"observation_type", "Risk"},
                                    {"observations", seen("0.0000")}}})},
    });
  }
  return list;
}

Json finding_of(const Alert& alert, uint64_t first_ns, uint64_t last_ns) {
  const Named type = analytic_type_of(alert.source);
  Json finding = {
      {"uid", clean(alert.uid)},
      {"title", clean(alert.rule)},
      {"desc", clean(alert.message)},
      {"created_time", first_ns / ns_per_ms},
      {"modified_time", alert.time_ns / ns_per_ms},
      {"first_seen_time", first_ns / ns_per_ms},
      {"last_seen_time", last_ns / ns_per_ms},
      {"types", Json::array({source_name(alert.source)})},
      {"data_sources", Json::array({"Linux kernel (eBPF)"})},
      {"analytic",
       {{"name", clean(alert.rule)},
        {"type_id", type.id},
        {"type", type.caption},
        {"category", source_name(alert.source)}}},
  };
  if (Json attacks = attacks_of(alert); !attacks.empty()) finding["attacks"] = std::move(attacks);
  if (alert.count > 1) finding["related_events_count"] = alert.count;
  return finding;
}

}  // namespace

std::string alert_to_ocsf(const Alert& alert) {
  const uint64_t first_ns = alert.first_time_ns != 0 ? alert.first_time_ns : alert.time_ns;
  const uint64_t last_ns = alert.last_time_ns != 0 ? alert.last_time_ns : alert.time_ns;
  const Named activity = activity_of(alert.activity), severity = severity_of(alert.severity);
  const Named status = status_of(alert.activity);
  const double risk = std::max(alert.risk, alert.tree_risk);
  const Named risk_level = risk_level_of(risk), confidence = confidence_of(alert.confidence);
  Json fields = Json::object();
  for (const auto& [name, value] : alert.fields) fields[clean(name)] = clean(value);
  Json evidence = {{"process", process_of(alert)}, {"data", {{"fields", std::move(fields)}}}};
  if (!alert.evidence.lane.empty())
    evidence["data"]["batch"] = {{"lane", clean(alert.evidence.lane)},
                                 {"seq", alert.evidence.seq},
                                 {"index", alert.evidence.index},
                                 {"verdict", clean(alert.evidence.verdict)}};
  const std::string& container = alert.process.container_id;
  const bool contained = !container.empty() && container != "host";
  if (contained) evidence["process"]["container"] = {{"uid", clean(container)}};
  Json line = {
      {"activity_id", activity.id},
      {"activity_name", activity.caption},
      {"category_uid", category_findings},
      {"category_name", "Findings"},
      {"class_uid", class_detection_finding},
      {"class_name", "Detection Finding"},
      {"type_uid", class_detection_finding * 100 + activity.id},
      {"type_name", "Detection Finding: " + std::string(activity.caption)},
      {"time", alert.time_ns / ns_per_ms},
      {"start_time", first_ns / ns_per_ms},
      {"end_time", last_ns / ns_per_ms},
      {"count", alert.count},
      {"message", clean(alert.message)},
      {"severity_id", severity.id},
      {"severity", severity.caption},
      {"status_id", status.id},
      {"status", status.caption},
      {"confidence_id", confidence.id},
      {"confidence", confidence.caption},
      {"confidence_score", percent(alert.confidence)},
      {"risk_level_id", risk_level.id},
      {"risk_level", risk_level.caption},
      {"risk_score", percent(risk)},
      {"is_alert", alert.activity != Activity::close},
      {"metadata",
       {{"version", "1.5.0"},
        {"product", {{"name", "Shrike"}, {"vendor_name", "Shrike"}, {"version", SHRIKE_VERSION}}},
        {"profiles", contained ? Json::array({"host", "container"}) : Json::array({"host"})},
        {"log_name", "alerts"}}},
      {"device", {{"hostname", clean(alert.node)}, {"uid", clean(alert.node)}, {"type_id", 0}, {"type", "Unknown"}}},
      {"resources", Json::array({{{"name", clean(alert.node)}, {"type", "host"}}})},
      {"finding_info", finding_of(alert, first_ns, last_ns)},
      {"evidences", Json::array({std::move(evidence)})},
  };
  if (Json anomalies = anomalies_of(alert); !anomalies.empty()) line["anomaly_analyses"] = std::move(anomalies);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shrike
