#include "common/wire/alert.h"

#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/wire/text.h"

namespace shrike {
namespace {
using Json = nlohmann::ordered_json;

// Reads members of one JSON object and remembers the first that is not as it should be.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  template <class T>
  void read(const char* key, T& value) {
    const Json* member = find(key);
    if (member == nullptr) return;
    if (fits<T>(*member))
      value = member->get<T>();
    else
      wrong(key, "has the wrong type");
  }
  void read(const char* key, std::vector<std::string>& values) {
    const Json* member = find(key);
    if (member == nullptr) return;
    if (!member->is_array()) return wrong(key, "is not an array");
    for (const Json& element : *member) {
      if (!element.is_string()) return wrong(key, "holds more than strings");
      values.push_back(element.get<std::string>());
    }
  }
  /// What alerts of earlier versions do not have.
  template <class T>
  void read_new(const char* key, T& value) {
    if (object_.contains(key)) read(key, value);
  }
  const Json* object(const char* key) {
    const Json* member = find(key);
    if (member != nullptr && !member->is_object()) wrong(key, "is not an object");
    return failed_ ? nullptr : member;
  }
  void wrong(const char* key, const char* what) {
    if (!failed_) error_ = {"alert: key '" + where_ + key + "' " + what};
    failed_ = true;
  }
  void absorb(const Reader& inner) {
    if (!failed_ && inner.failed_) error_ = inner.error_;
    failed_ = failed_ || inner.failed_;
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  const Json* find(const char* key) {
    if (failed_) return nullptr;
    const auto at = object_.find(key);
    if (at != object_.end()) return &*at;
    wrong(key, "is missing");
    return nullptr;
  }
  template <class T>
  static bool fits(const Json& value) {
    if constexpr (std::is_same_v<T, std::string>)
      return value.is_string();
    else if constexpr (std::is_floating_point_v<T>)
      return value.is_number();
    else if constexpr (std::is_same_v<T, int64_t>)
      return value.is_number_integer();
    else
      return value.is_number_unsigned() && value.get<uint64_t>() <= std::numeric_limits<T>::max();
  }

  const Json& object_;
  std::string where_;
  Error error_;
  bool failed_ = false;
};

AlertProcess process_from(const Json& object, Reader& outer) {
  AlertProcess process;
  Reader reader(object, "process.");
  reader.read("pid", process.pid);
  reader.read("name", process.name);
  reader.read("exe", process.exe);
  reader.read("cmdline", process.cmdline);
  reader.read("cwd", process.cwd);
  reader.read("uid", process.uid);
  reader.read("user", process.user);
  reader.read("tty", process.tty);
  reader.read("container_id", process.container_id);
  reader.read("start_ns", process.start_ns);
  outer.absorb(reader);
  return process;
}

Evidence evidence_from(const Json& object, Reader& outer) {
  Evidence evidence;
  Reader reader(object, "evidence.");
  reader.read("lane", evidence.lane);
  reader.read("seq", evidence.seq);
  reader.read("index", evidence.index);
  reader.read("verdict", evidence.verdict);
  outer.absorb(reader);
  return evidence;
}
// All of it came after the first release: an alert that was stored before is one all the same.
void read_finding(const Json& json, Alert& alert, Reader& reader) {
  std::string activity(activity_name(alert.activity));
  std::string first_time, last_time;
  reader.read_new("tree_risk", alert.tree_risk);
  reader.read_new("priority", alert.priority);
  reader.read_new("tags", alert.tags);
  reader.read_new("activity", activity);
  reader.read_new("first_time", first_time);
  reader.read_new("last_time", last_time);
  if (const auto named = activity_named(activity))
    alert.activity = *named;
  else
    reader.wrong("activity", "is no activity");
  const auto time = [&](const char* key, const std::string& text, uint64_t& to) {
    const auto ns = rfc3339_ns(text);
    if (ns && *ns != alert.time_ns) to = *ns;
    if (!ns && !text.empty()) reader.wrong(key, "is not RFC 3339 in UTC");
  };
  time("first_time", first_time, alert.first_time_ns);
  time("last_time", last_time, alert.last_time_ns);
  const auto scores = json.find("scores");
  if (scores == json.end()) return;
  if (!scores->is_object()) return reader.wrong("scores", "is not an object");
  for (const auto& [detector, score] : scores->items()) {
    if (!score.is_number()) return reader.wrong("scores", "holds more than numbers");
    alert.scores.emplace_back(detector, score.get<double>());
  }
}
}  // namespace

std::string alert_to_json(const Alert& alert) {
  Json fields = Json::object();
  for (const auto& [name, value] : alert.fields) fields[name] = value;
  Json scores = Json::object();
  for (const auto& [detector, score] : alert.scores) scores[detector] = score;
  const AlertProcess& process = alert.process;
  const Json json = {
      {"time", rfc3339(alert.time_ns)},
      {"node", alert.node},
      {"rule", alert.rule},
      {"source", source_name(alert.source)},
      {"severity", severity_name(alert.severity)},
      {"risk", alert.risk},
      {"confidence", alert.confidence},
      {"tree_risk", alert.tree_risk},
      {"scores", std::move(scores)},
      {"message", alert.message},
      {"attack", alert.attack},
      {"priority", alert.priority},
      {"tags", alert.tags},
      {"process",
       {{"pid", process.pid},
        {"name", process.name},
        {"exe", process.exe},
        {"cmdline", process.cmdline},
        {"cwd", process.cwd},
        {"uid", process.uid},
        {"user", process.user},
        {"tty", process.tty},
        {"container_id", process.container_id},
        {"start_ns", process.start_ns}}},
      {"ancestors", alert.ancestors},
      {"fields", std::move(fields)},
      {"evidence",
       {{"lane", alert.evidence.lane},
        {"seq", alert.evidence.seq},
        {"index", alert.evidence.index},
        {"verdict", alert.evidence.verdict}}},
      {"uid", alert.uid},
      {"count", alert.count},
      {"activity", activity_name(alert.activity)},
      {"first_time", rfc3339(alert.first_time_ns != 0 ? alert.first_time_ns : alert.time_ns)},
      {"last_time", rfc3339(alert.last_time_ns != 0 ? alert.last_time_ns : alert.time_ns)},
      {"latency_us", alert.latency_us},
  };
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Alert> alert_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{"alert: not JSON"};
  if (!json.is_object()) return Error{"alert: not a JSON object"};
  Alert alert;
  Reader reader(json, "");
  std::string time;
  std::string source;
  std::string severity;
  reader.read("time", time);
  reader.read("node", alert.node);
  reader.read("rule", alert.rule);
  reader.read("source", source);
  reader.read("severity", severity);
  reader.read("risk", alert.risk);
  reader.read("confidence", alert.confidence);
  reader.read("message", alert.message);
  reader.read("attack", alert.attack);
  if (const Json* process = reader.object("process")) alert.process = process_from(*process, reader);
  reader.read("ancestors", alert.ancestors);
  if (const Json* fields = reader.object("fields")) {
    for (const auto& [name, value] : fields->items()) {
      if (value.is_string())
        alert.fields.emplace_back(name, value.get<std::string>());
      else
        reader.wrong("fields", "holds more than strings");
    }
  }
  if (const Json* evidence = reader.object("evidence")) alert.evidence = evidence_from(*evidence, reader);
  reader.read("uid", alert.uid);
  reader.read("count", alert.count);
  reader.read("latency_us", alert.latency_us);

  if (const auto ns = rfc3339_ns(time))
    alert.time_ns = *ns;
  else
    reader.wrong("time", "is not RFC 3339 in UTC");
  if (const auto named = source_named(source))
    alert.source = *named;
  else
    reader.wrong("source", "is no source");
  if (const auto named = severity_named(severity))
    alert.severity = *named;
  else
    reader.wrong("severity", "is no severity");
  read_finding(json, alert, reader);
  if (reader.failed()) return reader.error();
  return alert;
}

std::string alert_to_text(const Alert& alert, bool colour) {
  static constexpr std::string_view colours[] = {"\x1b[2m", "\x1b[36m", "\x1b[33m", "\x1b[31m", "\x1b[1;31m"};
  static constexpr std::string_view plain = "\x1b[0m";
  const auto level = std::min<size_t>(static_cast<size_t>(alert.severity), std::size(colours) - 1);
  std::string severity(severity_name(alert.severity));
  severity.resize(std::max<size_t>(severity.size(), 8), ' ');
  std::string line = rfc3339(alert.time_ns);
  line += ' ';
  if (colour) line += colours[level];
  line += severity;
  if (colour) line += plain;
  line.append(" ").append(printable(alert.node)).append(" [").append(printable(alert.rule)).append("] ");
  line += printable(alert.message);
  if (alert.count > 1) line += " (" + std::to_string(alert.count) + " times)";
  return line;
}

}  // namespace shrike
