#pragma once
// An API request's parameters: each is known, each is checked, and an error names it.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "collector/command_store.h"
#include "collector/index.h"
#include "common/wire/event.h"

namespace shrike::collector {

/// A moment: RFC 3339 in UTC, or a duration back from `now_ns`: "90s", "10m", "1h30m", "2d", "500ms".
Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ns);

using Parameters = std::multimap<std::string, std::string>;

/// What is wrong with a request.
struct BadParameter {
  std::string parameter;
  std::string what;
};

struct EventQuery {
  BatchQuery batches;
  std::optional<EventKind> kind;
  std::optional<uint32_t> pid;
  std::string job;                ///< events of this sandboxed job
  std::optional<uint64_t> limit;  ///< only the newest so many
};

struct ProofQuery {
  BatchQuery batch;
  uint32_t index = 0;
};

/// Reads parameters one by one; the first thing wrong is kept. `finish` also refuses those nobody asked for.
class QueryReader {
 public:
  QueryReader(const Parameters& parameters, uint64_t now_ns) : parameters_(parameters), now_ns_(now_ns) {}

  AlertQuery alerts();
  VerdictQuery verdicts();
  EventQuery events();
  BatchQuery batches();
  DetonationQuery detonations();
  CommandQuery commands();
  ProofQuery proof();
  ProfileQuery profiles();
  /// How many nodes must know a sequence of calls before it counts: 1 to 256, else 2.
  size_t min_nodes();
  bool follow();
  /// Nothing: all was right.
  std::optional<BadParameter> finish();

 private:
  std::optional<std::string> take(const std::string& name);
  void wrong(const std::string& name, const std::string& what);
  void moment(const std::string& name, uint64_t& out);
  std::string node();
  std::string job(const std::string& name);
  void jobs(auto& query);
  std::optional<Lane> lane();
  std::optional<BootId> boot();
  std::optional<uint64_t> number(const std::string& name, uint64_t most);

  const Parameters& parameters_;
  uint64_t now_ns_;
  std::map<std::string, bool> asked_;
  std::optional<BadParameter> bad_;
};

}  // namespace shrike::collector
