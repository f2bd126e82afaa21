#include "agent/status.h"

#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::agent {
namespace {

using nlohmann::ordered_json;

constexpr const char* class_names[probe::event_class_count] = {"lifecycle", "privilege", "file", "network"};

ordered_json events_of(const Pipeline::Counts& counts) {
  ordered_json out = ordered_json::object();
  for (size_t kind = 0; kind < event_kind_count; ++kind)
    if (counts.events[kind] != 0) out[std::string(kind_name(static_cast<EventKind>(kind)))] = counts.events[kind];
  return out;
}

}  // namespace

std::string status_to_json(const Status& s) {
  ordered_json out;
  out["version"] = s.version;
  out["node"] = s.node;
  out["public_key"] = s.public_key;
  out["time"] = rfc3339(s.time_ns);
  out["start_time"] = rfc3339(s.start_time_ns);
  out["features"] = {{"bpf_lsm", s.features.bpf_lsm},
                     {"denies", s.features.denies},
                     {"io_uring_ops", s.features.io_uring_ops},
                     {"cgroup_v2", s.features.cgroup_v2},
                     {"signal_origin", s.features.signal_origin},
                     {"tcp_state", s.features.tcp_state},
                     {"task_iterator", s.features.task_iterator},
                     {"notes", s.features.notes}};
  out["filter"] = {{"kinds", s.kinds}, {"prefixes", s.filter_prefixes}, {"names", s.filter_names}};
  out["rules"] = {
      {"loaded", s.rules}, {"digest", s.rules_digest}, {"reloads", s.reloads}, {"reloads_failed", s.reloads_failed}};
  out["events"] = events_of(s.counts);
  out["records"] = s.counts.records;
  out["alerts"] = s.counts.alerts;
  out["suppressed"] = s.counts.suppressed;
  out["left_to_sandbox"] = s.counts.left_to_sandbox;
  out["lost"] = ordered_json::array();
  for (const auto& [key, count] : s.losses)
    out["lost"].push_back({{"cause", key.first}, {"class", key.second}, {"count", count}});
  out["sent"] = ordered_json::object();
  for (size_t c = 0; c < probe::event_class_count; ++c) out["sent"][class_names[c]] = s.kernel.events[c];
  out["programs"] = ordered_json::array();
  for (const auto& program : s.kernel.programs)
    out["programs"].push_back({{"name", program.name}, {"id", program.id}, {"runs", program.runs}});
  out["rings"] = ordered_json::array();
  for (const auto& ring : s.kernel.rings)
    out["rings"].push_back({{"size_bytes", ring.size_bytes}, {"used_bytes", ring.used_bytes}});
  out["processes"] = {{"known", s.table.processes},
                      {"live", s.table.live},
                      {"evicted_live", s.table.evicted_live},
                      {"text_bytes", s.table.text_bytes},
                      {"bound_bytes", s.table.bound_bytes}};
  out["spool"] = ordered_json::object();
  for (const auto& [name, lane] : s.lanes)
    out["spool"][name] = {{"sealed_seq", lane.sealed_seq},
                          {"acked_seq", lane.acked_seq},
                          {"pending_batches", lane.pending_batches},
                          {"bytes", lane.spool_bytes}};
  out["sealed"] = {{"batches", s.sealed.batches},
                   {"events", s.sealed.events},
                   {"alerts", s.sealed.alerts},
                   {"payload_bytes", s.sealed.payload_bytes},
                   {"bytes", s.sealed.bytes}};
  out["publisher"] = {{"connected", s.publisher.connected},       {"collector_key", s.publisher.collector_key},
                      {"sent_batches", s.publisher.sent_batches}, {"acks", s.publisher.acks},
                      {"refused_acks", s.publisher.refused_acks}, {"resends", s.publisher.resends},
                      {"reconnects", s.publisher.reconnects},     {"errors", s.publisher.errors},
                      {"last_error", s.publisher.last_error}};
  out["http"] = {{"posted", s.http.posted},     {"dropped", s.http.dropped}, {"refused", s.http.refused},
                 {"failures", s.http.failures}, {"queued", s.http.queued},   {"last_error", s.http.last_error}};
  out["response"] = {{"taken", s.response.taken},
                     {"withheld", s.response.withheld},
                     {"failed", s.response.failed},
                     {"breaker_open", s.response.breaker_open}};
  out["sandbox"] = {{"enabled", s.sandbox.enabled},   {"from_collector", s.sandbox.from_collector},
                    {"jobs", s.sandbox.jobs},         {"failed", s.sandbox.failed},
                    {"running", s.sandbox.running},   {"events_dropped", s.sandbox.events_dropped},
                    {"commands", s.sandbox.commands}, {"commands_refused", s.sandbox.commands_refused}};
  out["sequence"] = {{"mode", s.sequence.mode},
                     {"running", s.sequence.running},
                     {"calls", s.sequence.kernel.calls},
                     {"programs", s.sequence.programs},
                     {"settled", s.sequence.settled},
                     {"profiles_full", s.sequence.full},
                     {"ngrams", s.sequence.ngrams},
                     {"told", s.sequence.kernel.told},
                     {"repeated", s.sequence.kernel.repeated},
                     {"held_back", s.sequence.kernel.held_back},
                     {"not_scored",
                      {{"programs_full", s.sequence.kernel.programs_full},
                       {"profile_full", s.sequence.kernel.profile_full},
                       {"table_full", s.sequence.kernel.table_full},
                       {"no_memory", s.sequence.kernel.unstored},
                       {"excluded", s.sequence.kernel.excluded}}},
                     {"saves", s.sequence.saves},
                     {"save_errors", s.sequence.save_errors},
                     {"shipped", s.sequence.shipped},
                     {"imported", s.sequence.imported}};
  out["rss_bytes"] = s.rss_bytes;
  return out.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

uint64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm", 4096);
  if (!text) return 0;
  const size_t blank = text->find(' ');
  if (blank == std::string::npos) return 0;
  uint64_t pages = 0;
  std::from_chars(text->data() + blank + 1, text->data() + text->size(), pages);
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace shrike::agent
