#include "agent/respond/policy.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace shrike::respond {
namespace {

constexpr std::array actions = std::to_array<std::pair<Action, std::string_view>>({
    {Action::observe, "observe"},
    {Action::stop, "stop"},
    {Action::cut, "cut"},
    {Action::kill, "kill"},
    {Action::deny, "deny"},
});

}  // namespace

std::string_view action_name(Action action) {
  const auto* at = std::find_if(actions.begin(), actions.end(), [&](const auto& one) { return one.first == action; });
  return at == actions.end() ? "unknown" : at->second;
}

std::optional<Action> action_named(std::string_view name) {
  const auto* at = std::find_if(actions.begin(), actions.end(), [&](const auto& one) { return one.second == name; });
  if (at == actions.end()) return std::nullopt;
  return at->first;
}

Action Policy::wanted(const Alert& alert) const {
  if (const auto at = rules.find(alert.rule); at != rules.end()) return at->second;
  // About the agent or its evidence, not about what a process did: only by name.
  if (alert.source == AlertSource::integrity || alert.source == AlertSource::response) return Action::observe;
  const auto above = risk.upper_bound(std::max(alert.risk, alert.tree_risk));
  return above == risk.begin() ? Action::observe : std::prev(above)->second;
}

bool Policy::uses(Action action) const {
  const auto is = [&](const auto& entry) { return entry.second == action; };
  return std::any_of(rules.begin(), rules.end(), is) || std::any_of(risk.begin(), risk.end(), is);
}

}  // namespace shrike::respond
