#include <signal.h>
#include <unistd.h>

#include <exception>

#include "collector/ctl/commands.h"
#include "collector/ctl/options.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

template <class T>
constexpr bool needs_endpoint =
    std::is_same_v<T, TailOptions> || std::is_same_v<T, QueryOptions> || std::is_same_v<T, NodesOptions> ||
    std::is_same_v<T, StatusOptions> || std::is_same_v<T, ProfilesOptions>;

struct Run {
  const ApiOptions& api;
  Output& out;

  int with(const TailOptions& o, const Endpoint& at) const { return run_tail(o, at, out); }
  int with(const QueryOptions& o, const Endpoint& at) const { return run_query(o, at, out); }
  int with(const NodesOptions& o, const Endpoint& at) const { return run_nodes(o, at, out); }
  int with(const StatusOptions& o, const Endpoint& at) const { return run_status(o, at, out); }

  int with(const ProfilesOptions& o, const Endpoint& at) const { return run_profiles(o, at, out); }

  int operator()(const VerifyOptions& o) const { return run_verify(o, api, out); }
  int operator()(const DemoOptions& o) const { return run_demo(o, out); }
  int operator()(const RulesCheckOptions& o) const { return run_rules_check(o, out); }
  int operator()(const RulesExplainOptions& o) const { return run_rules_explain(o, out); }
  int operator()(const RulesTestOptions& o) const { return run_rules_test(o, out); }
  int operator()(const ScoreOptions& o) const { return run_score(o, out); }
  int operator()(const RunOptions& o) const { return run_run(o, api, out); }
  template <class T>
  requires needs_endpoint<T>
  int operator()(const T& o) const {
    const auto endpoint = find_endpoint(api);
    if (endpoint.ok()) return with(o, *endpoint);
    complain(endpoint.error().message);
    return exit_failed;
  }
};

}  // namespace

int run(int count, char** arguments) {
  // A reader that goes away is an ordinary end, seen where it happens.
  signal(SIGPIPE, SIG_IGN);
  const auto parsed = parse_options({arguments + 1, arguments + count});
  if (const auto* stop = std::get_if<Stop>(&parsed)) {
    (void)write_all(stop->code == exit_ok ? STDOUT_FILENO : STDERR_FILENO, stop->text).ok();
    return stop->code;
  }
  const auto& invocation = std::get<Invocation>(parsed);
  Output out(STDOUT_FILENO, invocation.colour);
  return std::visit(Run{invocation.api, out}, invocation.command);
}

}  // namespace shrike::ctl

int main(int count, char** arguments) {
  try {
    return shrike::ctl::run(count, arguments);
  } catch (const std::exception& error) {  // no memory left, or a fault of ours
    shrike::ctl::complain(std::string("unexpected: ") + error.what());
    return shrike::ctl::exit_failed;
  }
}
