// Falco's JSON: the keys, their order and their types are those of falcosecurity/falco's userspace/engine/formats.cpp.

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/clock.h"
#include "common/format/format.h"
#include "common/format/text.h"

namespace shrike {
namespace {

using Json = nlohmann::json;  // sorts its keys, as Falco's output is

// Fields that Falco prints as JSON numbers; all others are strings. A bracket's argument is not part of the name.
constexpr std::array numbers = std::to_array<std::string_view>({"container.duration",
                                                                "container.mounts.count",
                                                                "evt.arg.mode",
                                                                "evt.count",
                                                                "evt.cpu",
                                                                "evt.deltatime",
                                                                "evt.latency",
                                                                "evt.num",
                                                                "evt.rawres",
                                                                "evt.rawtime",
                                                                "fd.cport",
                                                                "fd.dev.major",
                                                                "fd.dev.minor",
                                                                "fd.ino",
                                                                "fd.lport",
                                                                "fd.num",
                                                                "fd.rport",
                                                                "fd.sport",
                                                                "group.gid",
                                                                "proc.apid",
                                                                "proc.duration",
                                                                "proc.exe_ino",
                                                                "proc.fdopencount",
                                                                "proc.pid",
                                                                "proc.pid.ts",
                                                                "proc.ppid",
                                                                "proc.ppid.duration",
                                                                "proc.ppid.ts",
                                                                "proc.pvpid",
                                                                "proc.sid",
                                                                "proc.tty",
                                                                "proc.vpid",
                                                                "thread.tid",
                                                                "thread.vtid",
                                                                "user.loginuid",
                                                                "user.uid"});
constexpr std::array booleans = std::to_array<std::string_view>(
    {"container.privileged", "evt.failed", "evt.is_io", "evt.is_open_create", "evt.is_open_exec", "evt.is_open_read",
     "evt.is_open_write", "fd.is_server", "fd.is_upper_layer", "fd.is_lower_layer", "proc.is_container_healthcheck",
     "proc.is_exe_from_memfd", "proc.is_exe_lower_layer", "proc.is_exe_upper_layer", "proc.is_exe_writable",
     "proc.is_pgid_leader", "proc.is_sid_leader", "proc.is_vpgid_leader"});

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

Json value_of(std::string_view name, const std::string& text) {
  if (text == "<NA>") return nullptr;
  name = name.substr(0, name.find('['));
  if (holds(booleans, name) && (text == "true" || text == "false")) return text == "true";
  if (holds(numbers, name)) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  return format::clean(text);
}

/// Falco's word. Rules of other kinds have only a severity: each becomes the priority that gives it.
std::string priority_of(const Alert& alert) {
  if (!alert.priority.empty()) return format::clean(alert.priority);
  switch (alert.severity) {
    case Severity::critical:
      return "Critical";
    case Severity::high:
      return "Error";
    case Severity::medium:
      return "Warning";
    case Severity::low:
      return "Notice";
    case Severity::info:
      break;
  }
  return "Informational";
}

/// What Falco calls its own messages "internal"; everything seen in the kernel came by system calls.
std::string_view source_of(AlertSource source) {
  return source == AlertSource::integrity || source == AlertSource::response ? "internal" : "syscall";
}

}  // namespace

std::string alert_to_falco(const Alert& alert) {
  const std::string time = rfc3339(alert.time_ns);
  const std::string clock = time.substr(11, time.size() - 12);  // 13:53:31.726060287
  const std::string priority = priority_of(alert);
  Json fields = Json::object();
  fields["evt.time"] = alert.time_ns;
  for (const auto& [name, value] : alert.fields) fields[format::clean(name)] = value_of(name, value);
  // Every line names its container and process, as Falco's own rules do, also where the rule's output does not.
  const auto add = [&](const char* name, Json value) {
    if (!fields.contains(name)) fields[name] = std::move(value);
  };
  add("container.id", format::clean(alert.process.container_id));
  add("proc.name", format::clean(alert.process.name));
  add("proc.pid", alert.process.pid);
  const std::set<std::string> unique(alert.tags.begin(), alert.tags.end());
  Json tags = Json::array();
  for (const std::string& tag : unique) tags.push_back(format::clean(tag));
  if (unique.empty())
    for (const std::string& id : std::set<std::string>(alert.attack.begin(), alert.attack.end()))
      tags.push_back(format::clean(id));
  const Json line = {
      {"hostname", format::clean(alert.node)},
      {"output", clock + ": " + priority + " " + format::clean(alert.message)},
      {"output_fields", std::move(fields)},
      {"priority", priority},
      {"rule", format::clean(alert.rule)},
      {"source", source_of(alert.source)},
      {"tags", std::move(tags)},
      {"time", time},
  };
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shrike
