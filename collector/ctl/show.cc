#include "collector/ctl/show.h"

#include <cstdio>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "collector/ctl/output.h"
#include "collector/ctl/times.h"
#include "common/base/clock.h"
#include "common/wire/alert.h"
#include "common/wire/text.h"
#include "scoring/sequence/call_names.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> object(std::string_view line, const char* what) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return Error{std::string(what) + ": not a JSON object: " + printable(line.substr(0, 80))};
  return json;
}

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

uint64_t number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

void mix(size_t& key, std::string_view part) {
  key ^= std::hash<std::string_view>{}(part) + 0x9e3779b97f4a7c15ull + (key << 6) + (key >> 2);
}

std::string painted(std::string_view what, const char* paint, bool colour) {
  return colour ? paint + std::string(what) + "\033[0m" : std::string(what);
}

/// An argument as a shell user would write it.
std::string word(const std::string& raw) {
  const std::string out = printable(raw);
  const bool plain = !out.empty() && out.find_first_of(" \"'") == std::string::npos;
  const char* quote = plain ? "" : out.find('"') == std::string::npos ? "\"" : "'";
  return quote + out + quote;
}

std::string texts(const Json& list) {
  std::string out;
  for (const auto& item : list)
    out += (out.empty() ? "" : " ") + word(item.is_string() ? item.get<std::string>() : item.dump());
  return out;
}

std::string host_port(const Json& socket, const char* host, const char* port) {
  const std::string name = printable(text(socket, host));
  if (name.empty()) return {};
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + printable(text(socket, port));
}

/// What an event is about: arguments, paths, ends of a socket, and an error's name.
std::string subject(const Json& json) {
  std::string out;
  const auto add = [&out](const std::string& more) {
    if (!more.empty()) out += (out.empty() ? "" : " ") + more;
  };
  if (json.contains("argv") && json["argv"].is_array()) add(texts(json["argv"]));
  for (const char* key : {"full_path", "path", "real_path"}) {
    if (!out.empty() || text(json, key).empty()) continue;
    add(word(text(json, key)));
  }
  for (const char* key : {"full_path2", "path2"}) {
    if (text(json, key).empty()) continue;
    add("-> " + word(text(json, key)));
    break;
  }
  if (const auto socket = json.find("socket"); socket != json.end() && socket->is_object()) {
    add(host_port(*socket, "local", "local_port"));
    if (const std::string remote = host_port(*socket, "remote", "remote_port"); !remote.empty()) add("-> " + remote);
    if (!text(*socket, "path").empty()) add(word(text(*socket, "path")));
  }
  const auto result = json.find("result");
  if (result != json.end() && result->is_number_integer() && *result < 0 && *result > -4096) {
    const char* name = strerrorname_np(static_cast<int>(-result->get<int64_t>()));
    add(name == nullptr ? "error " + result->dump() : std::string(name));
  }
  return out;
}

}  // namespace

Result<Identity> identity_of(std::string_view line) {
  const Json json = TRY(object(line, "line"));
  size_t key = 0;
  for (const char* name : {"time", "node", "boot", "lane", "seq", "verdict", "uid", "rule"}) mix(key, text(json, name));
  if (const auto evidence = json.find("evidence"); evidence != json.end()) mix(key, dump(*evidence));
  Identity out{key, 0};
  out.time_ns = rfc3339_ns(text(json, "time")).value_or(0);
  return out;
}

Result<std::string> alert_as_json(std::string_view line, uint64_t now_ns) {
  Json json = TRY(object(line, "alert"));
  const auto time = rfc3339_ns(text(json, "time"));
  if (!time) return Error{"alert: its time is no time: " + printable(text(json, "time"))};
  json["latency_us"] = static_cast<int64_t>(now_ns - *time) / 1000;
  return dump(json);
}

Result<std::string> alert_as_text(std::string_view line, bool colour) {
  const Alert alert = TRY(alert_from_json(line));
  return alert_to_text(alert, colour);
}

Result<std::string> alert_as(Format format, std::string_view line, uint64_t now_ns, bool colour) {
  if (format == Format::text) return alert_as_text(line, colour);
  if (format == Format::json) return alert_as_json(line, now_ns);
  return format_alert(TRY(alert_from_json(line)), format);
}

Result<std::string> verdict_as_text(std::string_view line, bool colour) {
  const Json json = TRY(object(line, "verdict"));
  const std::string verdict = text(json, "verdict");
  const bool good = verdict == "accepted" || verdict == "duplicate";
  std::string padded = printable(verdict);
  padded.resize(std::max<size_t>(padded.size(), 11), ' ');
  std::string out = printable(text(json, "time")) + " " + painted(padded, good ? "\033[32m" : "\033[1;31m", colour) +
                    " " + printable(text(json, "node")) + "/" + printable(text(json, "lane")) + " " +
                    std::to_string(number(json, "seq")) + " (" + std::to_string(number(json, "events")) +
                    (number(json, "events") == 1 ? " event)" : " events)");
  if (const std::string reason = text(json, "reason"); !reason.empty()) out += ": " + printable(reason);
  return out;
}

Result<std::string> event_as_text(std::string_view line, bool colour) {
  const Json json = TRY(object(line, "event"));
  // Events of the alerts lane are alerts.
  if (json.contains("rule") && json.contains("severity")) return alert_as_text(line, colour);
  std::string kind = printable(text(json, "kind"));
  // Of a sandboxed program's calls without a kind of their own, which one.
  if (kind == "call" && json.contains("syscall") && json["syscall"].is_number_unsigned()) {
    const auto number = json["syscall"].get<uint64_t>();
    const auto known = number < scoring::sequence::call_limit && !json.contains("compat32")
                           ? scoring::sequence::call_name(static_cast<scoring::sequence::Call>(number))
                           : std::string_view();
    kind = known.empty() ? "call " + std::to_string(number) : std::string(known);
  }
  kind.resize(std::max<size_t>(kind.size(), 11), ' ');
  std::string out =
      printable(text(json, "time")) + " " + printable(text(json, "node")) + " " + painted(kind, "\033[36m", colour);
  if (const auto task = json.find("task"); task != json.end() && task->is_object()) {
    out += " " + word(text(*task, "name")) + "[" + printable(text(*task, "pid")) + "]";
  }
  if (const std::string about = subject(json); !about.empty()) out += " " + about;
  return out;
}

Result<std::string> detonation_as_text(std::string_view line, bool colour) {
  const Json json = TRY(object(line, "detonation"));
  const auto detail = json.find("detail");
  const Json empty = Json::object();
  const Json& report =
      detail != json.end() && detail->is_object() && detail->contains("report") && (*detail)["report"].is_object()
          ? (*detail)["report"]
          : empty;
  const double risk = report.contains("risk") && report["risk"].is_number() ? report["risk"].get<double>() : 0;
  char figure[16];
  std::snprintf(figure, sizeof figure, "%.2f", risk);
  std::string out = printable(text(json, "time")) + " " + printable(text(json, "node")) + " " +
                    painted(std::string("risk ") + figure, risk >= 0.5 ? "\033[31m" : "\033[32m", colour) + " " +
                    printable(text(report, "status")) + " job " + printable(text(json, "id"));
  if (report.contains("processes") && report["processes"].is_array() && !report["processes"].empty()) {
    const Json& first = report["processes"].front();
    if (first.is_object() && first.contains("argv") && first["argv"].is_array()) out += ": " + texts(first["argv"]);
  }
  if (report.contains("reasons") && report["reasons"].is_array() && !report["reasons"].empty() &&
      report["reasons"].front().is_object())
    out += "; " + printable(text(report["reasons"].front(), "rule"));
  return out;
}

Result<std::string> command_as_text(std::string_view line, bool colour) {
  const Json json = TRY(object(line, "command"));
  const std::string state = text(json, "state");
  const bool bad = state == "failed" || state == "refused" || state == "expired";
  std::string padded = printable(state);
  padded.resize(std::max<size_t>(padded.size(), 10), ' ');
  std::string out = printable(text(json, "issued")) + " " + printable(text(json, "node")) + " " +
                    printable(text(json, "kind")) + " " +
                    painted(padded,
                            bad               ? "\033[1;31m"
                            : state == "done" ? "\033[32m"
                                              : "\033[33m",
                            colour) +
                    " " + printable(text(json, "id"));
  if (const std::string reason = text(json, "reason"); !reason.empty()) out += ": " + printable(reason);
  return out;
}

}  // namespace shrike::ctl
