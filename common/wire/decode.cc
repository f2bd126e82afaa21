// EventMessage bytes back to values. Cold paths: the generated classes do the parsing.

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/codec.h"
#include "common/wire/event.pb.h"

namespace shrike {
namespace {
using Json = nlohmann::ordered_json;
constexpr size_t message_max_bytes = 1u << 20;
constexpr int list_max = 1024;

Result<wire::EventMessage> parse(std::string_view message) {
  wire::EventMessage event;
  if (message.size() > message_max_bytes) return Error{"event: larger than 1 MiB"};
  if (!event.ParseFromArray(message.data(), static_cast<int>(message.size()))) return Error{"event: not Protobuf"};
  if (event.kind() >= event_kind_count) return Error{"event: kind " + std::to_string(event.kind()) + " is no kind"};
  return event;
}

bool is_share(double value) { return std::isfinite(value) && value >= 0 && value <= 1; }

Result<Alert> alert_from(const wire::AlertMessage& message) {
  if (message.source() > static_cast<uint32_t>(AlertSource::response)) return Error{"alert: source is not known"};
  if (message.severity() > static_cast<uint32_t>(Severity::critical)) return Error{"alert: severity is not known"};
  if (!is_share(message.risk())) return Error{"alert: risk is not between 0 and 1"};
  if (!is_share(message.confidence())) return Error{"alert: confidence is not between 0 and 1"};
  if (!is_share(message.tree_risk())) return Error{"alert: tree_risk is not between 0 and 1"};
  if (message.activity() > static_cast<uint32_t>(Activity::close)) return Error{"alert: activity is not known"};
  for (const wire::AlertScoreMessage& score : message.scores())
    if (!is_share(score.score())) return Error{"alert: a score is not between 0 and 1"};
  if (std::max({message.attack_size(), message.ancestors_size(), message.fields_size(), message.scores_size(),
                message.tags_size()}) > list_max)
    return Error{"alert: a list has more than 1024 elements"};
  Alert alert;
  alert.time_ns = message.time_ns();
  alert.rule = message.rule();
  alert.source = static_cast<AlertSource>(message.source());
  alert.severity = static_cast<Severity>(message.severity());
  alert.risk = message.risk();
  alert.confidence = message.confidence();
  alert.message = message.message();
  alert.attack.assign(message.attack().begin(), message.attack().end());
  const wire::AlertProcessMessage& process = message.process();
  alert.process = {process.pid(), process.name(), process.exe(), process.cmdline(),      process.cwd(),
                   process.uid(), process.user(), process.tty(), process.container_id(), process.start_ns()};
  alert.ancestors.assign(message.ancestors().begin(), message.ancestors().end());
  for (const wire::AlertFieldMessage& field : message.fields()) alert.fields.emplace_back(field.name(), field.value());
  alert.uid = message.uid();
  alert.count = message.count();
  alert.tree_risk = message.tree_risk();
  for (const wire::AlertScoreMessage& score : message.scores())
    alert.scores.emplace_back(score.detector(), score.score());
  alert.priority = message.priority();
  alert.tags.assign(message.tags().begin(), message.tags().end());
  alert.activity = static_cast<Activity>(message.activity());
  alert.first_time_ns = message.first_time_ns();
  alert.last_time_ns = message.last_time_ns();
  return alert;
}

Json flags_of(uint32_t flags) {
  static constexpr std::string_view names[] = {"compat32", "x32",   "memfd",   "upper",  "deleted", "kthread", "thread",
                                               "core",     "uring", "created", "interp", "sandbox", "denied"};
  Json list = Json::array();
  for (size_t bit = 0; bit < std::size(names); ++bit)
    if ((flags >> bit & 1) != 0) list.push_back(names[bit]);
  return list;
}

// A field that was left out is zero; people read zero more easily than its absence only where it means something, so
// zeros stay out here as well.
void put(Json& to, const char* key, uint64_t value) {
  if (value != 0) to[key] = value;
}
void put(Json& to, const char* key, const std::string& value) {
  if (!value.empty()) to[key] = value;
}

Json task_json(const wire::TaskMessage& task) {
  Json json = {{"pid", task.pid()}, {"tid", task.tid()}, {"name", task.comm()}, {"uid", task.uid()}};
  json["gid"] = task.gid();
  json["euid"] = task.euid();
  put(json, "ppid", task.ppid());
  put(json, "session", task.session());
  put(json, "start_ns", task.start_ns());
  put(json, "parent_start_ns", task.parent_start_ns());
  put(json, "egid", task.egid());
  put(json, "suid", task.suid());
  put(json, "sgid", task.sgid());
  put(json, "cap_effective", task.cap_effective());
  if (task.loginuid() != 0) json["loginuid"] = task.loginuid() - 1;
  if (task.audit_session() != 0) json["audit_session"] = task.audit_session() - 1;
  put(json, "tty", task.tty());
  put(json, "vpid", task.vpid());
  put(json, "cgroup_id", task.cgroup_id());
  if (task.namespaces_size() == 7) {
    static constexpr const char* names[] = {"mnt", "pid", "net", "user", "uts", "ipc", "cgroup"};
    for (int i = 0; i < 7; ++i) json["namespaces"][names[i]] = task.namespaces(i);
  }
  put(json, "exe_dev", task.exe_dev());
  put(json, "exe_inode", task.exe_inode());
  put(json, "container_id", task.container_id());
  return json;
}

Json object_json(const wire::ObjectMessage& object) {
  Json json = {{"inode", object.inode()},      {"device", object.device()}, {"mode", object.mode()},
               {"uid", object.uid()},          {"gid", object.gid()},       {"links", object.links()},
               {"fs_magic", object.fs_magic()}};
  if (object.ctime_ns() != 0) json["ctime"] = rfc3339(object.ctime_ns());
  if (object.mtime_ns() != 0) json["mtime"] = rfc3339(object.mtime_ns());
  return json;
}

std::string address_text(const std::string& bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes.size() == 4)
    inet_ntop(AF_INET, bytes.data(), text, sizeof text);
  else if (bytes.size() == 16)
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  else
    return hex(bytes);
  return text;
}

Json socket_json(const wire::SocketMessage& socket) {
  Json json = {{"family", socket.family()}};
  put(json, "type", socket.type());
  put(json, "protocol", socket.protocol());
  put(json, "local", address_text(socket.local()));
  put(json, "local_port", socket.local_port());
  put(json, "remote", address_text(socket.remote()));
  put(json, "remote_port", socket.remote_port());
  put(json, "path", socket.path());
  put(json, "state", socket.state());
  put(json, "old_state", socket.old_state());
  return json;
}

// Arguments stand in one string with NUL between them.
Json argv_json(const std::string& text) {
  Json list = Json::array();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

constexpr int depth_max = 16;
/// The library writes nested values by recursion: what a stranger nests is bounded before it is read.
bool nests_deeper(std::string_view text, int most) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') {
      ++i;
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > most) return true;
  }
  return false;
}

/// JSON as such, anything else as text.
Json detail_json(const std::string& detail) {
  if (!nests_deeper(detail, depth_max))
    if (Json json = Json::parse(detail, nullptr, false); !json.is_discarded()) return json;
  return detail;
}

void put_texts(Json& json, const wire::EventMessage& event, EventKind kind) {
  const bool program = kind == EventKind::exec || kind == EventKind::exec_failed || kind == EventKind::task;
  put(json, "path", event.path());
  if (program && !event.path2().empty())
    json["argv"] = argv_json(event.path2());
  else
    put(json, "path2", event.path2());
  constexpr uint32_t really = 16;
  if ((event.text_flags() & really) == 0)
    put(json, "real_path", event.real_path());
  else
    put(json, "real_path", event.full_path().empty() ? event.path() : event.full_path());
  put(json, "full_path", event.full_path());
  put(json, "full_path2", event.full_path2());
  put(json, "cwd", event.cwd());
  put(json, "path_at_exit", event.path_at_exit());
  static constexpr const char* marks[] = {"path_truncated", "path_fault", "path2_truncated", "path2_fault"};
  for (size_t bit = 0; bit < std::size(marks); ++bit)
    if ((event.text_flags() >> bit & 1) != 0) json[marks[bit]] = true;
}
}  // namespace

void encode_alert(const Alert& alert, std::string& out) {
  wire::EventMessage event;
  event.set_time_ns(alert.time_ns);
  wire::AlertMessage& message = *event.mutable_alert();
  message.set_time_ns(alert.time_ns);
  message.set_rule(alert.rule);
  message.set_source(static_cast<uint32_t>(alert.source));
  message.set_severity(static_cast<uint32_t>(alert.severity));
  message.set_risk(alert.risk);
  message.set_confidence(alert.confidence);
  message.set_message(alert.message);
  for (const std::string& id : alert.attack) message.add_attack(id);
  wire::AlertProcessMessage& process = *message.mutable_process();
  process.set_pid(alert.process.pid);
  process.set_name(alert.process.name);
  process.set_exe(alert.process.exe);
  process.set_cmdline(alert.process.cmdline);
  process.set_cwd(alert.process.cwd);
  process.set_uid(alert.process.uid);
  process.set_user(alert.process.user);
  process.set_tty(alert.process.tty);
  process.set_container_id(alert.process.container_id);
  process.set_start_ns(alert.process.start_ns);
  for (const std::string& name : alert.ancestors) message.add_ancestors(name);
  for (const auto& [name, value] : alert.fields) {
    wire::AlertFieldMessage* field = message.add_fields();
    field->set_name(name);
    field->set_value(value);
  }
  message.set_uid(alert.uid);
  message.set_count(alert.count);
  message.set_tree_risk(alert.tree_risk);
  for (const auto& [detector, value] : alert.scores) {
    wire::AlertScoreMessage* score = message.add_scores();
    score->set_detector(detector);
    score->set_score(value);
  }
  message.set_priority(alert.priority);
  for (const std::string& tag : alert.tags) message.add_tags(tag);
  message.set_activity(static_cast<uint32_t>(alert.activity));
  message.set_first_time_ns(alert.first_time_ns);
  message.set_last_time_ns(alert.last_time_ns);
  event.SerializeToString(&out);
}

Result<Alert> decode_alert(std::string_view message) {
  const wire::EventMessage event = TRY(parse(message));
  if (!event.has_alert()) return Error{"event: carries no alert"};
  return alert_from(event.alert());
}

bool is_note(std::string_view message) {
  if (message.size() < 2 || message[0] != 0x08) return false;
  return message[1] == static_cast<char>(EventKind::detonation) || message[1] == static_cast<char>(EventKind::command);
}

Result<Note> decode_note(std::string_view message) {
  const wire::EventMessage event = TRY(parse(message));
  const auto kind = static_cast<EventKind>(event.kind());
  if (kind != EventKind::detonation && kind != EventKind::command)
    return Error{"event: tells no detonation or command"};
  return Note{kind, event.time_ns(), event.path(), event.path2(), event.detail()};
}

bool is_plain_json_object(std::string_view text) {
  if (nests_deeper(text, depth_max)) return false;
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object();
}

Result<std::string> event_to_json(std::string_view message) {
  const wire::EventMessage event = TRY(parse(message));
  if (event.has_alert()) return alert_to_json(TRY(alert_from(event.alert())));
  const auto kind = static_cast<EventKind>(event.kind());
  Json json = {{"time", rfc3339(event.time_ns())}, {"kind", kind_name(kind)}, {"result", event.result()}};
  if (event.syscall() != 0) json["syscall"] = int64_t{event.syscall()} - 1;
  if (event.flags() != 0) json["flags"] = flags_of(event.flags());
  if (event.arg_size() > 0 && event.arg_size() <= 6)
    json["arg"] = std::vector<uint64_t>(event.arg().begin(), event.arg().end());
  json["task"] = task_json(event.task());
  put_texts(json, event, kind);
  if (event.has_object()) json["object"] = object_json(event.object());
  if (event.has_socket()) json["socket"] = socket_json(event.socket());
  if (!event.detail().empty()) json["detail"] = detail_json(event.detail());
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shrike
