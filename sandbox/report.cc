#include "sandbox/report.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "sandbox/json_object.h"

namespace shrike::sandbox {

using nlohmann::json;

namespace {

const auto status_names = {std::string_view("ok"),          std::string_view("violation"),
                           std::string_view("signalled"),   std::string_view("timed_out"),
                           std::string_view("setup_error"), std::string_view("internal_error")};

constexpr size_t argv_words_max = 256;

/// "Of its text": what is longer is cut, so that what we write is what we read.
std::string_view bounded(std::string_view text) { return text.substr(0, report_text_max); }

template <class T, class One>
json list_json(const std::vector<T>& list, One one) {
  json out = json::array();
  for (size_t i = 0; i < list.size() && i < report_list_max; ++i) out.push_back(one(list[i]));
  return out;
}

/// JSON has no bytes beyond UTF-8: each of those becomes three, so what is read back may be longer than what was put.
constexpr size_t text_max = 3 * report_text_max;

json artefact_json(const Artefact& a) {
  return {{"path", bounded(a.path)}, {"size_bytes", a.size_bytes}, {"sha256", bounded(a.sha256)}};
}
Result<void> read(const json& value, const std::string& where, Artefact& a) {
  JsonObject object(value, where);
  object.text("path", a.path, text_max);
  object.number("size_bytes", a.size_bytes);
  object.text("sha256", a.sha256, text_max);
  return object.finish(false);
}

json process_json(const GuestProcess& p) {
  json argv = json::array();
  for (size_t i = 0; i < p.argv.size() && i < argv_words_max; ++i) argv.push_back(bounded(p.argv[i]));
  return {{"pid", p.pid},           {"parent", p.parent}, {"exe", bounded(p.exe)},        {"argv", std::move(argv)},
          {"start_ns", p.start_ns}, {"end_ns", p.end_ns}, {"wait_status", p.wait_status}, {"calls", p.calls}};
}
Result<void> read(const json& value, const std::string& where, GuestProcess& p) {
  JsonObject object(value, where);
  object.small("pid", p.pid, UINT32_MAX);
  object.small("parent", p.parent, UINT32_MAX);
  object.text("exe", p.exe, text_max);
  object.list("argv", argv_words_max, [&](const json& entry, const std::string& place) -> Result<void> {
    p.argv.push_back(TRY(read_bytes(entry, place, text_max)));
    return {};
  });
  object.number("start_ns", p.start_ns);
  object.number("end_ns", p.end_ns);
  object.integer("wait_status", p.wait_status);
  object.number("calls", p.calls);
  return object.finish(false);
}

json connection_json(const Connection& c) {
  return {{"pid", c.pid},
          {"protocol", bounded(c.protocol)},
          {"address", bounded(c.address)},
          {"name", bounded(c.name)},
          {"sent_bytes", c.sent_bytes},
          {"received_bytes", c.received_bytes},
          {"first_bytes", bounded(c.first_bytes)},
          {"first_bytes_hex", hex(bounded(c.first_bytes))}};
}
Result<void> read(const json& value, const std::string& where, Connection& c) {
  std::string bytes;
  JsonObject object(value, where);
  object.small("pid", c.pid, UINT32_MAX);
  object.text("protocol", c.protocol, text_max);
  object.text("address", c.address, text_max);
  object.text("name", c.name, text_max);
  object.number("sent_bytes", c.sent_bytes);
  object.number("received_bytes", c.received_bytes);
  object.text("first_bytes_hex", bytes, 2 * report_text_max);
  TRY_VOID(object.finish(false));
  auto exact = unhex(bytes);
  if (!exact) return exact.error().in(where + ": first_bytes_hex");
  c.first_bytes = std::move(*exact);
  return {};
}

json refusal_json(const Refusal& r) {
  return {{"call", bounded(r.call)}, {"reason", bounded(r.reason)}, {"count", r.count}};
}
Result<void> read(const json& value, const std::string& where, Refusal& r) {
  JsonObject object(value, where);
  object.text("call", r.call, text_max);
  object.text("reason", r.reason, text_max);
  object.number("count", r.count);
  return object.finish(false);
}

json step_json(const Step& s) { return {{"name", bounded(s.name)}, {"ns", s.ns}}; }
Result<void> read(const json& value, const std::string& where, Step& s) {
  JsonObject object(value, where);
  object.text("name", s.name, text_max);
  object.number("ns", s.ns);
  return object.finish(false);
}

json reason_json(const Reason& r) {
  return {{"rule", bounded(r.rule)},
          {"severity", bounded(r.severity)},
          {"risk", r.risk},
          {"message", bounded(r.message)},
          {"count", r.count}};
}
Result<void> read(const json& value, const std::string& where, Reason& r) {
  JsonObject object(value, where);
  object.text("rule", r.rule, text_max);
  object.text("severity", r.severity, text_max);
  object.real("risk", r.risk);
  object.text("message", r.message, text_max);
  object.small("count", r.count, UINT32_MAX);
  return object.finish(false);
}

Result<void> read(const json& value, const std::string& where, std::string& note) {
  note = TRY(read_bytes(value, where, text_max));
  return {};
}

template <class T>
void read_list(JsonObject& object, const char* key, std::vector<T>& out) {
  object.list(key, report_list_max, [&](const json& entry, const std::string& where) {
    out.emplace_back();
    return read(entry, where, out.back());
  });
}

/// Every plain number of a report with its key: one table for both directions.
template <class R, class Visit>
void each_number(R& r, Visit visit) {
  visit("wall_ns", r.wall_ns);
  visit("cpu_ns", r.cpu_ns);
  visit("virtual_ns", r.virtual_ns);
  visit("peak_memory_bytes", r.peak_memory_bytes);
  visit("calls", r.calls);
  visit("calls_denied", r.calls_denied);
  visit("calls_unknown", r.calls_unknown);
  visit("events_told", r.events_told);
  visit("events_dropped", r.events_dropped);
  visit("stdout_kept", r.stdout_kept);
  visit("stdout_dropped", r.stdout_dropped);
  visit("stderr_kept", r.stderr_kept);
  visit("stderr_dropped", r.stderr_dropped);
  visit("artefacts_dropped", r.artefacts_dropped);
  visit("processes_dropped", r.processes_dropped);
  visit("connections_dropped", r.connections_dropped);
  visit("refusals_dropped", r.refusals_dropped);
}

/// The same for texts.
template <class R, class Visit>
void each_text(R& r, Visit visit) {
  visit("cause", r.cause);
  visit("program_sha256", r.program_sha256);
  visit("policy_sha256", r.policy_sha256);
  visit("trace", r.trace);
  visit("evidence", r.evidence);
}

}  // namespace

std::string_view status_name(Status status) { return status_names.begin()[static_cast<size_t>(status)]; }

std::string report_to_json(const Report& r) {
  json out = {{"id", bounded(r.id)},
              {"backend", backend_name(r.backend)},
              {"profile", profile_name(r.profile)},
              {"status", status_name(r.status)},
              {"exit_code", r.exit_code},
              {"signal", r.signal},
              {"risk", r.risk}};
  each_number(r, [&](const char* key, uint64_t value) { out[key] = value; });
  each_text(r, [&](const char* key, const std::string& value) { out[key] = bounded(value); });
  out["artefacts"] = list_json(r.artefacts, artefact_json);
  out["processes"] = list_json(r.processes, process_json);
  out["connections"] = list_json(r.connections, connection_json);
  out["refusals"] = list_json(r.refusals, refusal_json);
  out["steps"] = list_json(r.steps, step_json);
  out["reasons"] = list_json(r.reasons, reason_json);
  out["notes"] = list_json(r.notes, [](const std::string& note) { return bounded(note); });
  return dump_json(out);
}

std::string report_to_json(Report report, size_t most) {
  std::string text = report_to_json(report);
  const auto halve = [](auto& list, uint64_t& dropped) {
    const size_t half = std::min(list.size(), report_list_max) / 2;
    dropped += list.size() - half;
    list.resize(half);
  };
  while (text.size() > most && !(report.artefacts.empty() && report.processes.empty() && report.connections.empty() &&
                                 report.refusals.empty())) {
    halve(report.artefacts, report.artefacts_dropped);
    halve(report.processes, report.processes_dropped);
    halve(report.connections, report.connections_dropped);
    halve(report.refusals, report.refusals_dropped);
    text = report_to_json(report);
  }
  return text;
}

Result<Report> report_from_json(std::string_view text) {
  const json value = TRY(parse_json(text, "report"));
  Report r;
  JsonObject object(value, "report");
  object.text("id", r.id, text_max);
  object.name("backend", r.backend, {"process", "microvm"});
  object.name("profile", r.profile, {"strict", "observe"});
  object.name("status", r.status, status_names);
  object.integer("exit_code", r.exit_code);
  object.integer("signal", r.signal);
  object.real("risk", r.risk);
  each_number(r, [&](const char* key, uint64_t& out) { object.number(key, out); });
  each_text(r, [&](const char* key, std::string& out) { object.text(key, out, text_max); });
  read_list(object, "artefacts", r.artefacts);
  read_list(object, "processes", r.processes);
  read_list(object, "connections", r.connections);
  read_list(object, "refusals", r.refusals);
  read_list(object, "steps", r.steps);
  read_list(object, "reasons", r.reasons);
  read_list(object, "notes", r.notes);
  TRY_VOID(object.finish(false));
  return r;
}

}  // namespace shrike::sandbox
