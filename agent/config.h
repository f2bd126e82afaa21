#pragma once
// agent.toml: text -> one struct -> one check. Nothing here opens what the configuration names.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/respond/policy.h"
#include "common/base/result.h"
#include "common/wire/event.h"
#include "common/wire/sequence.h"

namespace shrike::agent {

/// [sequence]: scoring of system calls' order in the kernel.
struct SequenceConfig {
  std::string mode = "off";                  ///< or learn, detect
  uint32_t sample = 1;                       ///< one thread of so many
  std::vector<std::string> exclude_cgroups;  ///< paths below the v2 hierarchy
  uint32_t learn_s = 600;
  uint32_t learn_calls = 20'000;
  uint32_t reports_per_s = 10;      ///< of each program
  uint32_t keep_days = 30;          ///< 0: for ever
  std::vector<std::string> import;  ///< files that the collector made of many nodes' profiles
  bool from_collector = false;      ///< takes such files from the collector's orders too
  SequenceLimits limits;
  bool operator==(const SequenceConfig&) const = default;
};

/// What agent.toml can say; keys are those of ARCHITECTURE.md. Paths are as given, or below the file's own folder when
/// they were relative.
struct Config {
  std::string node;  ///< empty: the host's name
  std::string state_dir = "/var/lib/shrike-agent";
  struct {
    std::string url = "nats://127.0.0.1:4222";
    std::string nkey_seed_file;  ///< empty: <state_dir>/nkey.seed
    std::string ca_file;         ///< empty: the system's, when the url is tls://
  } nats;
  struct {
    std::string public_key_file = "/etc/shrike/collector.pub";
  } collector;
  struct {
    std::vector<std::string> files = {"/etc/shrike/rules/shrike.yaml"};
    bool first = false;  ///< of the rules that match an event only the first fires
  } rules;
  struct {
    std::string root;  ///< before /run and /var/lib, where container runtimes keep their files; empty: this host's
  } containers;
  struct {
    uint64_t max_bytes = 1u << 30;
  } spool;
  struct {
    uint64_t reserved_bytes = 4u << 20;
    uint64_t shard_bytes = 1u << 20;
    uint32_t shards = 0;  ///< 0: as many as cores
  } rings;
  struct {
    std::vector<EventKind> kinds;    ///< telemetry beyond what rules and the agent's own state need
    uint64_t budget_per_s = 100000;  ///< 0: none
    uint64_t budget_burst = 0;       ///< 0: as much as budget_per_s
  } filter;
  struct {
    uint32_t max = 16384;
  } processes;
  struct {
    std::string listen = "127.0.0.1:9478";  ///< empty: off
  } metrics;
  struct {
    struct {
      std::string url;  ///< empty: nothing is posted
      std::string format = "falco";
      std::string severity = "info";  ///< this and above
      std::string ca_file;            ///< empty: the system's, when the url is https://
      uint32_t timeout_ms = 5000;
      uint32_t queue = 1024;
    } http;
  } outputs;
  struct {
    uint32_t quiet_s = 600;  ///< a finding that did not come again for so long is over; 0: each alert is a finding
  } findings;
  respond::Policy response;
  SequenceConfig sequence;
  struct {
    bool enabled = true;
    std::string socket = "/run/shrike/agent.sock";     ///< for `shrike run`; empty: none
    std::string service = "/run/shrike/sandbox.sock";  ///< of shrike-sandbox
    bool from_collector = false;                       ///< obey the collector's orders to detonate
    uint32_t jobs = 2;                                 ///< at once
    uint64_t events_per_s = 20'000;                    ///< of all jobs, into the signed stream
    std::vector<std::string> rules;                    ///< empty: those of [rules]
    std::string background;                            ///< a profile of normal programs; empty: none
  } sandbox;
  struct {
    std::string level = "info";
  } log;
};

/// Parses and checks `text`; `name` is the file's, used in errors and to make relative paths absolute.
/// Errors: not TOML; an unknown key; a value of the wrong type or out of range: "file:line:column: what to do".
Result<Config> parse_config(std::string_view text, const std::string& name);
/// The same of a file. Errors: also errno of reading it.
Result<Config> load_config(const std::string& path);
/// The checks of values alone: what parse_config does, and again needed after flags changed something.
/// Errors: "key: what is wrong".
Result<void> check_config(const Config& config);

/// The host's name made a node id: lower case, what is not allowed replaced by '-', at most 63 characters.
std::string node_of_host(std::string_view host);

/// "127.0.0.1:9478" or "[::1]:9478", loopback only. Errors: anything else.
struct Listen {
  std::string host;
  uint16_t port = 0;
};
Result<Listen> parse_listen(std::string_view text);

}  // namespace shrike::agent
