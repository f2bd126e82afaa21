#include "agent/config.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "agent/http_output.h"
#include "common/base/file.h"
#include "common/base/toml_parse.h"
#include "common/wire/subjects.h"

namespace shrike::agent {
namespace {

constexpr size_t config_max_bytes = 1u << 20;

Error at(const std::string& name, const toml::source_region& where, const std::string& what) {
  return {toml_place(name, where) + ": " + what};
}

using Setter = std::function<Result<void>(const toml::node&)>;
using Keys = std::map<std::string, Setter, std::less<>>;

Setter text(std::string& to) {
  return [&to](const toml::node& node) -> Result<void> {
    const auto value = node.value_exact<std::string>();
    if (!value) return Error{"must be a text in quotes"};
    to = *value;
    return {};
  };
}

Setter path(std::string& to, const std::string& folder) {
  return [&to, folder](const toml::node& node) -> Result<void> {
    TRY_VOID(text(to)(node));
    if (!to.empty() && to.front() != '/') to = folder + to;
    return {};
  };
}

template <class T>
Setter number(T& to) {
  return [&to](const toml::node& node) -> Result<void> {
    const auto value = node.value_exact<int64_t>();
    if (!value) return Error{"must be a whole number"};
    if (*value < 0 || !std::in_range<T>(*value)) return Error{std::to_string(*value) + " is out of range"};
    to = static_cast<T>(*value);
    return {};
  };
}

Result<std::vector<std::string>> texts(const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr) return Error{"must be a list of texts, such as [\"a\", \"b\"]"};
  std::vector<std::string> out;
  for (const auto& item : *array) {
    const auto value = item.value_exact<std::string>();
    if (!value) return Error{"must be a list of texts; item " + std::to_string(out.size() + 1) + " is none"};
    out.push_back(*value);
  }
  return out;
}

Setter boolean(bool& to) {
  return [&to](const toml::node& node) -> Result<void> {
    const auto value = node.value_exact<bool>();
    if (!value) return Error{"must be true or false"};
    to = *value;
    return {};
  };
}

/// A section whose keys the operator chooses: each to an action.
template <class Put>
Setter actions(Put put) {
  return [put](const toml::node& node) -> Result<void> {
    const auto* table = node.as_table();
    if (table == nullptr) return Error{"must be a section of NAME = \"action\""};
    for (const auto& [key, value] : *table) {
      const std::string name(key.str());
      const auto text = value.template value_exact<std::string>();
      const auto action = text ? respond::action_named(*text) : std::nullopt;
      if (!action) return Error{"\"" + name + "\" must be \"observe\", \"stop\", \"cut\", \"kill\" or \"deny\""};
      TRY_VOID(put(name, *action));
    }
    return {};
  };
}

Result<void> put_risk(std::map<double, respond::Action>& to, const std::string& name, respond::Action action) {
  double from = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), from);
  if (error != std::errc() || end != name.data() + name.size() || !(from > 0 && from <= 1))
    return Error{"\"" + name + "\" must be a risk above 0 and up to 1 in quotes, such as \"0.9\""};
  to[from] = action;
  return {};
}

Setter kinds(std::vector<EventKind>& to) {
  return [&to](const toml::node& node) -> Result<void> {
    to.clear();
    for (const auto& name : TRY(texts(node))) {
      const auto kind = kind_named(name);
      if (!kind || *kind == EventKind::none || !from_kernel(*kind))
        return Error{"\"" + name + "\" is no event kind (see shrike-agent(8))"};
      to.push_back(*kind);
    }
    return {};
  };
}

Setter text_list(std::vector<std::string>& to) {
  return [&to](const toml::node& node) -> Result<void> {
    to = TRY(texts(node));
    return {};
  };
}

Setter paths(std::vector<std::string>& to, const std::string& folder) {
  return [&to, folder](const toml::node& node) -> Result<void> {
    to = TRY(texts(node));
    for (auto& file : to)
      if (!file.empty() && file.front() != '/') file = folder + file;
    return {};
  };
}

Keys keys_of(Config& config, const std::string& folder) {
  return {
      {"node", text(config.node)},
      {"state_dir", path(config.state_dir, folder)},
      {"nats.url", text(config.nats.url)},
      {"nats.nkey_seed_file", path(config.nats.nkey_seed_file, folder)},
      {"nats.ca_file", path(config.nats.ca_file, folder)},
      {"collector.public_key_file", path(config.collector.public_key_file, folder)},
      {"rules.files", paths(config.rules.files, folder)},
      {"rules.first", boolean(config.rules.first)},
      {"containers.root", path(config.containers.root, folder)},
      {"spool.max_bytes", number(config.spool.max_bytes)},
      {"rings.reserved_bytes", number(config.rings.reserved_bytes)},
      {"rings.shard_bytes", number(config.rings.shard_bytes)},
      {"rings.shards", number(config.rings.shards)},
      {"filter.kinds", kinds(config.filter.kinds)},
      {"filter.budget_per_s", number(config.filter.budget_per_s)},
      {"filter.budget_burst", number(config.filter.budget_burst)},
      {"processes.max", number(config.processes.max)},
      {"metrics.listen", text(config.metrics.listen)},
      {"sequence.mode", text(config.sequence.mode)},
      {"sequence.sample", number(config.sequence.sample)},
      {"sequence.exclude_cgroups", text_list(config.sequence.exclude_cgroups)},
      {"sequence.learn_s", number(config.sequence.learn_s)},
      {"sequence.learn_calls", number(config.sequence.learn_calls)},
      {"sequence.reports_per_s", number(config.sequence.reports_per_s)},
      {"sequence.keep_days", number(config.sequence.keep_days)},
      {"sequence.import", paths(config.sequence.import, folder)},
      {"sequence.from_collector", boolean(config.sequence.from_collector)},
      {"sequence.max_programs", number(config.sequence.limits.programs)},
      {"sequence.max_ngrams", number(config.sequence.limits.ngrams)},
      {"sequence.program_ngrams", number(config.sequence.limits.ngrams_each)},
      {"outputs.http.url", text(config.outputs.http.url)},
      {"outputs.http.format", text(config.outputs.http.format)},
      {"outputs.http.severity", text(config.outputs.http.severity)},
      {"outputs.http.ca_file", path(config.outputs.http.ca_file, folder)},
      {"outputs.http.timeout_ms", number(config.outputs.http.timeout_ms)},
      {"outputs.http.queue", number(config.outputs.http.queue)},
      {"findings.quiet_s", number(config.findings.quiet_s)},
      {"response.rules",
       actions([&rules = config.response.rules](const std::string& name, respond::Action action) -> Result<void> {
         rules[name] = action;
         return {};
       })},
      {"response.risk", actions([&risk = config.response.risk](const std::string& name, respond::Action action) {
         return put_risk(risk, name, action);
       })},
      {"response.dry_run", boolean(config.response.dry_run)},
      {"response.max_per_minute", number(config.response.max_per_minute)},
      {"response.never", paths(config.response.never, folder)},
      {"sandbox.enabled", boolean(config.sandbox.enabled)},
      {"sandbox.socket", path(config.sandbox.socket, folder)},
      {"sandbox.service", path(config.sandbox.service, folder)},
      {"sandbox.from_collector", boolean(config.sandbox.from_collector)},
      {"sandbox.jobs", number(config.sandbox.jobs)},
      {"sandbox.events_per_s", number(config.sandbox.events_per_s)},
      {"sandbox.rules", paths(config.sandbox.rules, folder)},
      {"sandbox.background", path(config.sandbox.background, folder)},
      {"log.level", text(config.log.level)},
  };
}

/// Applies a table's entries; `prefix` is the table's own name and a dot. `where` remembers each key's place.
Result<void> apply(const toml::table& table, const std::string& prefix, const Keys& keys, const std::string& name,
                   std::map<std::string, toml::source_region>& where) {
  for (const auto& [key, node] : table) {
    const std::string full = prefix + std::string(key.str());
    const auto known = keys.find(full);
    if (known != keys.end()) {
      where[full] = node.source();
      if (auto done = known->second(node); !done) return at(name, node.source(), full + ": " + done.error().message);
      continue;
    }
    const auto below = keys.lower_bound(full + ".");
    const bool is_section = below != keys.end() && below->first.starts_with(full + ".");
    if (!is_section) return at(name, key.source(), "unknown key \"" + full + "\"");
    if (!node.is_table()) return at(name, node.source(), "\"" + full + "\" must be a section: [" + full + "]");
    TRY_VOID(apply(*node.as_table(), full + ".", keys, name, where));
  }
  return {};
}

Error wrong(const char* key, const std::string& what) { return {std::string(key) + ": " + what}; }

Result<void> in_range(const char* key, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return {};
  return wrong(
      key, std::to_string(value) + " is out of range, must be " + std::to_string(low) + " to " + std::to_string(high));
}

bool has_nul(std::string_view value) { return value.find('\0') != std::string_view::npos; }

Result<void> check_outputs(const Config& config) {
  const auto& http = config.outputs.http;
  if (!http.url.empty())
    if (auto good = parse_http_url(http.url); !good) return wrong("outputs.http.url", good.error().message);
  if (!format_named(http.format)) return wrong("outputs.http.format", "must be one of " + std::string(format_names()));
  if (!severity_named(http.severity))
    return wrong("outputs.http.severity", "must be critical, high, medium, low or info");
  if (has_nul(http.ca_file)) return wrong("outputs.http.ca_file", "must not hold a NUL character");
  TRY_VOID(in_range("outputs.http.timeout_ms", http.timeout_ms, 100, 60'000));
  return in_range("outputs.http.queue", http.queue, 1, 100'000);
}

Result<void> check_response(const respond::Policy& policy) {
  TRY_VOID(in_range("response.max_per_minute", policy.max_per_minute, 1, 1000));
  for (const auto& path : policy.never)
    if (path.empty() || has_nul(path)) return wrong("response.never", "holds an empty name");
  for (const auto& [level, action] : policy.risk)
    if (action == respond::Action::deny)
      return wrong("response.risk", "\"deny\" is decided before the call, and so by rule: [response.rules]");
  return {};
}

Result<void> check_sequence(const SequenceConfig& config) {
  if (config.mode != "off" && config.mode != "learn" && config.mode != "detect")
    return wrong("sequence.mode", "must be off, learn or detect");
  for (const auto& path : config.exclude_cgroups)
    if (!path.starts_with('/') || path.find("/../") != std::string::npos || has_nul(path))
      return wrong("sequence.exclude_cgroups", "must name cgroups from the root of their hierarchy: \"/system.slice\"");
  if (config.exclude_cgroups.size() > 64) return wrong("sequence.exclude_cgroups", "64 at most");
  for (const auto& file : config.import)
    if (file.empty() || has_nul(file)) return wrong("sequence.import", "holds an empty name");
  if (config.import.size() > 16) return wrong("sequence.import", "16 files at most");
  TRY_VOID(in_range("sequence.sample", config.sample, 1, 1'000'000));
  TRY_VOID(in_range("sequence.learn_s", config.learn_s, 0, 365 * 86'400));
  TRY_VOID(in_range("sequence.reports_per_s", config.reports_per_s, 1, 1000));
  TRY_VOID(in_range("sequence.keep_days", config.keep_days, 0, 3650));
  TRY_VOID(in_range("sequence.max_programs", config.limits.programs, 16, 65'535));
  TRY_VOID(in_range("sequence.max_ngrams", config.limits.ngrams, 1024, 4u << 20));
  return in_range("sequence.program_ngrams", config.limits.ngrams_each, 64, 65'536);
}

Result<void> check_sandbox(const Config& config) {
  const auto& sandbox = config.sandbox;
  constexpr size_t socket_path_max = 107;  // sockaddr_un
  for (const auto& [key, value] :
       {std::pair("sandbox.socket", &sandbox.socket), std::pair("sandbox.service", &sandbox.service)})
    if (value->size() > socket_path_max || has_nul(*value)) return wrong(key, "must have 107 characters at most");
  if (sandbox.service.empty()) return wrong("sandbox.service", "must name shrike-sandbox's socket");
  for (const auto& file : sandbox.rules)
    if (file.empty() || has_nul(file)) return wrong("sandbox.rules", "holds an empty name");
  TRY_VOID(in_range("sandbox.jobs", sandbox.jobs, 1, 64));
  return in_range("sandbox.events_per_s", sandbox.events_per_s, 100, 1'000'000);
}

}  // namespace

Result<void> check_config(const Config& config) {
  if (!config.node.empty())
    if (auto good = check_node_id(config.node); !good) return wrong("node", good.error().message);
  if (config.state_dir.empty() || has_nul(config.state_dir)) return wrong("state_dir", "must name a folder");
  const std::string_view url = config.nats.url;
  if (!url.starts_with("nats://") && !url.starts_with("tls://"))
    return wrong("nats.url", "must begin with nats:// or tls://");
  if (has_nul(url) || url.size() > 1024) return wrong("nats.url", "is no url");
  for (const auto* file : {&config.nats.nkey_seed_file, &config.nats.ca_file, &config.collector.public_key_file})
    if (has_nul(*file)) return Error{"a path must not hold a NUL character"};
  if (config.collector.public_key_file.empty())
    return wrong("collector.public_key_file", "must name the file with the collector's public key");
  for (const auto& file : config.rules.files)
    if (file.empty() || has_nul(file)) return wrong("rules.files", "holds an empty name");
  if (has_nul(config.containers.root)) return wrong("containers.root", "must name a folder");
  TRY_VOID(in_range("spool.max_bytes", config.spool.max_bytes, 4u << 20, uint64_t{1} << 44));
  TRY_VOID(in_range("rings.reserved_bytes", config.rings.reserved_bytes, 64u << 10, 256u << 20));
  TRY_VOID(in_range("rings.shard_bytes", config.rings.shard_bytes, 64u << 10, 256u << 20));
  TRY_VOID(in_range("rings.shards", config.rings.shards, 0, 64));
  TRY_VOID(in_range("processes.max", config.processes.max, 256, 1u << 20));
  if (config.filter.budget_burst != 0 && config.filter.budget_per_s == 0)
    return wrong("filter.budget_burst", "has no meaning without filter.budget_per_s");
  TRY_VOID(check_outputs(config));
  TRY_VOID(in_range("findings.quiet_s", config.findings.quiet_s, 0, 86'400));
  TRY_VOID(check_response(config.response));
  TRY_VOID(check_sequence(config.sequence));
  TRY_VOID(check_sandbox(config));
  if (!config.metrics.listen.empty())
    if (auto good = parse_listen(config.metrics.listen); !good) return wrong("metrics.listen", good.error().message);
  static constexpr std::string_view levels[] = {"trace", "debug", "info", "warning", "error", "off"};
  if (std::find(std::begin(levels), std::end(levels), config.log.level) == std::end(levels))
    return wrong("log.level", "must be trace, debug, info, warning, error or off");
  return {};
}

Result<Config> parse_config(std::string_view text_in, const std::string& name) {
  const size_t slash = name.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : name.substr(0, slash + 1);
  const toml::table table = TRY(parse_toml(text_in, name));
  Config config;
  std::map<std::string, toml::source_region> where;
  TRY_VOID(apply(table, "", keys_of(config, folder), name, where));
  if (auto good = check_config(config); !good) {
    const std::string& what = good.error().message;
    const auto place = where.find(what.substr(0, what.find(':')));
    if (place == where.end()) return good.error().in(name);
    return at(name, place->second, what);
  }
  return config;
}

Result<Config> load_config(const std::string& path_in) {
  return parse_config(TRY(read_file(path_in, config_max_bytes)), path_in);
}

std::string node_of_host(std::string_view host) {
  std::string out;
  for (char c : host.substr(0, 63)) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    out += good ? c : '-';
  }
  return out.empty() ? "localhost" : out;
}

Result<Listen> parse_listen(std::string_view given) {
  const Error shape{"\"" + std::string(given) + "\" must be a loopback address and a port, such as 127.0.0.1:9478"};
  const size_t colon = given.rfind(':');
  if (colon == std::string_view::npos) return shape;
  std::string_view host = given.substr(0, colon);
  const std::string_view port = given.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host != "127.0.0.1" && host != "::1" && host != "localhost") return shape;
  Listen listen{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), listen.port);
  if (error != std::errc() || end != port.data() + port.size() || listen.port == 0) return shape;
  return listen;
}

}  // namespace shrike::agent
