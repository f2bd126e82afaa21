#pragma once
// What the operator wants done. A value: made from the configuration once, then frozen.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/alert.h"

namespace shrike::respond {

enum class Action : uint8_t {
  observe,  ///< tell, nothing else
  stop,     ///< SIGSTOP: it can be looked at, and goes on with SIGCONT
  cut,      ///< no packet in or out of its cgroup while the agent runs
  kill,     ///< SIGKILL
  deny,     ///< refuse the call itself, in the kernel: only for rules that it can decide, where BPF LSM is active
};

std::string_view action_name(Action action);
std::optional<Action> action_named(std::string_view name);

struct Policy {
  std::map<std::string, Action, std::less<>> rules;  ///< by the rule's name; goes before `risk`
  std::map<double, Action> risk;                     ///< from this tree_risk (or risk) on: the highest that fits
  bool dry_run = false;                              ///< decide and tell, but do nothing
  uint32_t max_per_minute = 10;                      ///< more actions than this in a minute open the breaker
  std::vector<std::string> never;                    ///< programs, by path, on top of those nothing may touch

  /// What an alert asks for.
  [[nodiscard]] Action wanted(const Alert& alert) const;
  /// Whether anything but observe can come of it: what the agent keeps capabilities for.
  [[nodiscard]] bool acts() const { return uses(Action::stop) || uses(Action::kill) || uses(Action::cut); }
  [[nodiscard]] bool uses(Action action) const;
};

}  // namespace shrike::respond
