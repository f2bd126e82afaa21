#include "collector/query.h"

#include <charconv>

#include "common/base/bytes.h"
#include "common/wire/command.h"
#include "common/wire/subjects.h"
#include "common/wire/text.h"

namespace shrike::collector {
namespace {

constexpr uint64_t limit_max = 100'000;

std::optional<uint64_t> unit_ns(std::string_view unit) {
  constexpr std::pair<std::string_view, uint64_t> units[] = {{"ms", 1'000'000},         {"s", 1'000'000'000},
                                                             {"m", 60'000'000'000},     {"h", 3'600'000'000'000},
                                                             {"d", 86'400'000'000'000}, {"w", 604'800'000'000'000}};
  for (const auto& [name, ns] : units)
    if (unit == name) return ns;
  return {};
}

std::optional<uint64_t> duration_ns(std::string_view text) {
  if (text.empty()) return {};
  uint64_t total = 0;
  while (!text.empty()) {
    uint64_t count = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (code != std::errc()) return {};
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const size_t unit_size = std::min(text.find_first_of("0123456789"), text.size());
    const auto ns = unit_ns(text.substr(0, unit_size));
    if (!ns || count > (INT64_MAX - total) / *ns) return {};
    total += count * *ns;
    text.remove_prefix(unit_size);
  }
  return total;
}

}  // namespace

Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ns) {
  if (const auto ns = rfc3339_ns(text)) return *ns;
  if (const auto back = duration_ns(text)) return *back > now_ns ? 0 : now_ns - *back;
  return Error{"must be a time like 2026-11-20T08:39:00Z or a duration back from now like 10m"};
}

std::optional<std::string> QueryReader::take(const std::string& name) {
  asked_[name] = true;
  const auto [begin, end] = parameters_.equal_range(name);
  if (begin == end || begin->second.empty()) return {};
  if (std::next(begin) != end) wrong(name, "is given more than once");
  if (begin->second.find('\0') != std::string::npos) {
    wrong(name, "has a NUL character in it");
    return {};
  }
  return begin->second;
}

void QueryReader::wrong(const std::string& name, const std::string& what) {
  if (!bad_) bad_ = BadParameter{name, what};
}

void QueryReader::moment(const std::string& name, uint64_t& out) {
  const auto text = take(name);
  if (!text) return;
  if (const auto ns = parse_moment(*text, now_ns_)) {
    out = *ns;
  } else {
    wrong(name, ns.error().message);
  }
}

std::string QueryReader::node() {
  const auto text = take("node");
  if (!text) return {};
  if (const auto valid = check_node_id(*text); !valid) wrong("node", valid.error().message);
  return *text;
}

std::string QueryReader::job(const std::string& name) {
  const auto text = take(name);
  if (!text) return {};
  if (const auto valid = check_command_id(*text); !valid) wrong(name, valid.error().message);
  return *text;
}

std::optional<Lane> QueryReader::lane() {
  const auto text = take("lane");
  if (!text) return {};
  const auto lane = lane_named(*text);
  if (!lane) wrong("lane", "must be alerts or telemetry");
  return lane;
}

std::optional<BootId> QueryReader::boot() {
  const auto text = take("boot");
  if (!text) return {};
  const auto bytes = unhex(*text);
  BootId id{};
  if (!bytes || bytes->size() != id.size()) {
    wrong("boot", "must be 32 hexadecimal digits");
    return {};
  }
  std::copy(bytes->begin(), bytes->end(), reinterpret_cast<char*>(id.data()));
  return id;
}

std::optional<uint64_t> QueryReader::number(const std::string& name, uint64_t most) {
  const auto text = take(name);
  if (!text) return {};
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (code != std::errc() || end != text->data() + text->size() || value > most) {
    wrong(name, "must be a whole number from 0 to " + std::to_string(most));
    return {};
  }
  return value;
}

AlertQuery QueryReader::alerts() {
  AlertQuery query;
  moment("since", query.since_ns);
  moment("until", query.until_ns);
  query.node = node();
  query.rule = take("rule").value_or("");
  query.limit = number("limit", limit_max);
  if (const auto name = take("severity")) {
    const auto severity = severity_named(*name);
    if (!severity) wrong("severity", "must be info, low, medium, high or critical");
    query.severity = severity.value_or(Severity::info);
  }
  return query;
}

VerdictQuery QueryReader::verdicts() {
  VerdictQuery query;
  moment("since", query.since_ns);
  moment("until", query.until_ns);
  query.node = node();
  query.limit = number("limit", limit_max);
  return query;
}

EventQuery QueryReader::events() {
  EventQuery query;
  query.batches.node = node();
  query.batches.lane = lane();
  moment("since", query.batches.since_ns);
  moment("until", query.batches.until_ns);
  if (const auto name = take("kind")) {
    query.kind = kind_named(*name);
    if (!query.kind) wrong("kind", "is no kind of event; known are exec, open, connect and so on");
  }
  if (const auto pid = number("pid", UINT32_MAX)) query.pid = static_cast<uint32_t>(*pid);
  query.job = job("job");
  query.limit = number("limit", limit_max);
  return query;
}

BatchQuery QueryReader::batches() {
  BatchQuery query;
  query.node = node();
  query.lane = lane();
  moment("since", query.received_since_ns);
  return query;
}

// What detonations and commands are asked by.
void QueryReader::jobs(auto& query) {
  moment("since", query.since_ns);
  moment("until", query.until_ns);
  query.node = node();
  query.id = job("id");
  query.limit = number("limit", limit_max);
}

DetonationQuery QueryReader::detonations() {
  DetonationQuery query;
  jobs(query);
  return query;
}

CommandQuery QueryReader::commands() {
  CommandQuery query;
  jobs(query);
  return query;
}

ProofQuery QueryReader::proof() {
  ProofQuery query;
  query.batch.node = node();
  query.batch.lane = lane();
  query.batch.boot = boot();
  query.batch.seq = number("seq", INT64_MAX);
  const auto index = number("index", batch_max_events - 1);
  query.index = static_cast<uint32_t>(index.value_or(0));
  if (query.batch.node.empty()) wrong("node", "is missing");
  if (!query.batch.lane) wrong("lane", "is missing");
  if (!query.batch.seq) wrong("seq", "is missing");
  if (!index) wrong("index", "is missing");
  return query;
}

ProfileQuery QueryReader::profiles() {
  ProfileQuery query;
  query.node = node();
  query.path = take("path").value_or("");
  moment("since", query.received_since_ns);
  return query;
}

size_t QueryReader::min_nodes() {
  constexpr uint64_t most = 256, usual = 2;
  const auto nodes = number("min_nodes", most);
  if (nodes && *nodes == 0) wrong("min_nodes", "must be 1 at least");
  return static_cast<size_t>(nodes.value_or(usual));
}

bool QueryReader::follow() {
  const auto text = take("follow");
  if (!text || *text == "0") return false;
  if (*text != "1") wrong("follow", "must be 0 or 1");
  return true;
}

std::optional<BadParameter> QueryReader::finish() {
  for (const auto& [name, value] : parameters_)
    if (!asked_.contains(name)) wrong(name, "no such parameter here");
  return bad_;
}

}  // namespace shrike::collector
