#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace shrike {

enum class Severity : uint8_t { info = 0, low = 1, medium = 2, high = 3, critical = 4 };
enum class AlertSource : uint8_t { falco = 0, sigma = 1, sequence = 2, sandbox = 3, integrity = 4, response = 5 };
/// What an alert does to the finding that its `uid` names.
enum class Activity : uint8_t { create = 0, update = 1, close = 2 };

std::string_view severity_name(Severity severity);
std::optional<Severity> severity_named(std::string_view name);
std::string_view source_name(AlertSource source);
std::optional<AlertSource> source_named(std::string_view name);
std::string_view activity_name(Activity activity);
std::optional<Activity> activity_named(std::string_view name);

/// The process an alert is about, copied out of the process table.
struct AlertProcess {
  uint32_t pid = 0;
  std::string name;
  std::string exe;
  std::string cmdline;
  std::string cwd;
  uint32_t uid = 0;
  std::string user;
  std::string tty;           ///< "pts/0", "tty1", "136:5"; empty without
  std::string container_id;  ///< 12 characters; "host" on the host
  uint64_t start_ns = 0;     ///< wall clock

  bool operator==(const AlertProcess&) const = default;
};

/// Where the signed bytes are that prove an alert.
struct Evidence {
  std::string lane;
  uint64_t seq = 0;
  uint32_t index = 0;
  std::string verdict;  ///< the collector's, of that batch

  bool operator==(const Evidence&) const = default;
};

/// What an operator is told. The agent makes it; `node`, `evidence` and `latency_us` are filled by the collector.
struct Alert {
  uint64_t time_ns = 0;  ///< wall clock of the kernel event
  std::string node;
  std::string rule;
  AlertSource source = AlertSource::falco;
  Severity severity = Severity::info;
  double risk = 0;        ///< 0..1: harm if true times confidence, of this alert alone
  double confidence = 1;  ///< 0..1
  double tree_risk = 0;   ///< 0..1: what its process tree has added up to, this alert included
  std::vector<std::pair<std::string, double>> scores;  ///< of tree_risk, by detector; each 0..1
  std::string message;
  std::vector<std::string> attack;  ///< ATT&CK ids: "T1003.008"
  std::string priority;             ///< the rule's, as Falco writes it ("Warning"); empty: it has none
  std::vector<std::string> tags;    ///< the rule's
  AlertProcess process;
  std::vector<std::string> ancestors;  ///< names, nearest first
  std::vector<std::pair<std::string, std::string>> fields;
  Evidence evidence;
  std::string uid;     ///< identifies the finding
  uint32_t count = 1;  ///< events behind it
  Activity activity = Activity::create;
  uint64_t first_time_ns = 0;  ///< of the events behind it, wall clock; 0: time_ns
  uint64_t last_time_ns = 0;   ///< the same
  int64_t latency_us = 0;

  bool operator==(const Alert&) const = default;
};

/// One line of the operator contract (no newline at the end). Bytes that are not UTF-8 become U+FFFD.
std::string alert_to_json(const Alert& alert);
/// The reverse. Errors: not JSON; a key missing or of the wrong type, named.
Result<Alert> alert_from_json(std::string_view text);
/// One line for people: time, severity, rule, node, message.
std::string alert_to_text(const Alert& alert, bool colour);

}  // namespace shrike
