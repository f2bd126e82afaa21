#pragma once
// The command line as values. Parsing touches nothing but its arguments; `main` runs what comes out.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "collector/ctl/output.h"
#include "collector/ctl/profiles.h"
#include "collector/ctl/rules.h"
#include "collector/ctl/run.h"
#include "collector/ctl/score.h"
#include "common/format/format.h"

namespace shrike::ctl {

/// Exit codes of `shrike`, as its manual promises them.
enum Exit : int {
  exit_ok = 0,      ///< done; verify: proven
  exit_failed = 1,  ///< failed; verify: refuted; rules check: a rule is wrong
  exit_usage = 2,   ///< wrong command line; verify: could not tell
};

/// Which collector to ask; empty: as the configuration file or the environment say.
struct ApiOptions {
  std::string address;
  std::string token_file;
  std::string config;
};

struct TailOptions {
  std::string since, severity, node, rule;
  Format format = Format::text;
  bool verdicts = false;
  bool follow = true;
};

struct QueryOptions {
  std::string what = "events";  ///< events, alerts, verdicts, detonations, commands
  std::string job;              ///< of this sandboxed job
  std::string node, lane, since, until, kind, severity, rule, boot;
  std::optional<uint32_t> pid;
  uint64_t limit = 1000;  ///< 0: all
  Format format = Format::text;
  bool proof = false;
  uint64_t seq = 0;
  uint32_t index = 0;
};

struct NodesOptions {
  bool json = false;
};
struct StatusOptions {
  bool json = false;
};

struct VerifyOptions {
  std::string node, since, state, file;
  std::string keys;  ///< file of node = "hex key"; empty: as the collector or the state directory says
  bool json = false;
};

struct DemoOptions {
  std::optional<std::chrono::nanoseconds> duration;
  bool json = false;
  std::string state;
  std::vector<std::string> rules;
  std::string metrics;  ///< address of the agent's metrics; empty: a free port
  bool verbose = false;
};

struct RulesCheckOptions {
  bool json = false;
  std::vector<std::string> files;
};

struct Invocation {
  ApiOptions api;
  Colour colour = Colour::automatic;
  std::variant<TailOptions, QueryOptions, NodesOptions, StatusOptions, ProfilesOptions, VerifyOptions, DemoOptions,
               RulesCheckOptions, RulesExplainOptions, RulesTestOptions, ScoreOptions, RunOptions>
      command;
};

/// What to print and how to end when the command line asks for help or the version, or is wrong.
struct Stop {
  int code = exit_ok;
  std::string text;  ///< for standard output when `code` is 0, else for standard error
};

/// Reads `arguments` (without the program's name).
std::variant<Invocation, Stop> parse_options(std::vector<std::string> arguments);

}  // namespace shrike::ctl
