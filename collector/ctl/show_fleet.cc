// Tables of nodes and of the collector's status.

#include <nlohmann/json.hpp>
#include <optional>

#include "collector/ctl/output.h"
#include "collector/ctl/show.h"
#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return json.is_object() && found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

/// A member, or null where there is none.
const Json& member(const Json& json, const char* key) {
  static const Json none;
  const auto found = json.find(key);
  return json.is_object() && found != json.end() ? *found : none;
}

std::string ago(uint64_t then_ns, uint64_t now_ns) {
  return now_ns <= then_ns ? "now" : short_duration(std::chrono::nanoseconds(now_ns - then_ns)) + " ago";
}

/// An agent sends at least every ten seconds; three times that is silence.
std::string state_of(const Json& node, std::optional<uint64_t> heard, uint64_t now_ns) {
  if (text(node, "trusted") == "no") return "no key";
  if (!heard) return "expected";
  return now_ns > *heard && now_ns - *heard > 30'000'000'000 ? "silent" : "up";
}

std::string lost(const Json& losses) {
  uint64_t total = 0;
  std::string causes;
  if (!losses.is_array()) return "0";
  for (const Json& loss : losses) {
    total += number(loss, "count");
    causes += (causes.empty() ? " (" : ", ") + printable(text(loss, "cause")) + "/" + printable(text(loss, "class"));
  }
  return with_commas(total) + (causes.empty() ? "" : causes + ")");
}

/// A number as people read it, by what its name says it counts.
std::string shown(const std::string& name, const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (!value.is_number_unsigned()) return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  const auto number = value.get<uint64_t>();
  if (name == "bytes" || name.ends_with("_bytes")) return short_bytes(number);
  if (name.ends_with("_s")) return short_duration(std::chrono::seconds(number));
  if (name.ends_with("_ms")) return short_duration(std::chrono::milliseconds(number));
  return with_commas(number);
}

std::string label(std::string name) {
  for (const char* unit : {"_bytes", "_s", "_ms"}) {
    if (name.ends_with(unit)) name.resize(name.size() - std::string_view(unit).size());
  }
  for (char& c : name) c = c == '_' ? ' ' : c;
  return printable(name);
}

void flatten(const Json& json, const std::string& prefix, Table& table) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? label(key) : prefix + " " + label(key);
    if (value.is_object()) {
      flatten(value, name, table);
    } else {
      table.row({name, shown(key, value)});
    }
  }
}

}  // namespace

Result<std::string> status_as_text(std::string_view json_text, bool colour) {
  const Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_object()) return Error{"the collector's status is no JSON object"};
  Table table({"COLLECTOR", ""});
  flatten(json, "", table);
  return joined(table.lines(colour));
}

Result<std::string> nodes_as_text(std::string_view json_text, uint64_t now_ns, bool colour) {
  const Json json = Json::parse(json_text, nullptr, false);
  if (!json.is_array()) return Error{"the collector's list of nodes is no JSON array"};
  Table table({"NODE", "STATE", "HEARD", "ALERTS", "TELEMETRY", "EVENTS", "DROPPED", "LOST", "VERSION", "KEY"});
  for (const size_t column : {3u, 4u, 5u, 6u}) table.right(column);
  for (const Json& node : json) {
    if (!node.is_object()) return Error{"the collector's list of nodes holds something that is no node"};
    const auto heard = rfc3339_ns(text(node, "last_seen"));
    const Json& lanes = member(node, "lanes");
    const Json &alerts = member(lanes, "alerts"), &telemetry = member(lanes, "telemetry");
    table.row({printable(text(node, "node")), state_of(node, heard, now_ns), heard ? ago(*heard, now_ns) : "never",
               with_commas(number(alerts, "seq")), with_commas(number(telemetry, "seq")),
               with_commas(number(alerts, "events") + number(telemetry, "events")),
               with_commas(number(alerts, "dropped_events") + number(telemetry, "dropped_events")),
               lost(member(node, "losses")), printable(text(node, "agent_version")),
               printable(text(node, "key").substr(0, 8))});
  }
  return joined(table.lines(colour));
}

}  // namespace shrike::ctl
