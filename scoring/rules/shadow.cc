#include "scoring/rules/shadow.h"

#include <algorithm>
#include <functional>

namespace shrike::scoring {

Shadows::Finding Shadows::add(const std::string& name, const TreePtr& condition) {
  Rule rule{name, {}, 0};
  const auto part = [&](const TreePtr& tree) {
    std::string text;
    print(tree, text);
    rule.mask |= uint64_t{1} << std::hash<std::string>{}(text) % 64;
    rule.parts.push_back(std::move(text));
  };
  if (condition->is(Tree::Kind::all)) {
    for (const TreePtr& child : condition->children) part(child);
  } else {
    part(condition);
  }
  std::sort(rule.parts.begin(), rule.parts.end());
  rule.parts.erase(std::unique(rule.parts.begin(), rule.parts.end()), rule.parts.end());
  Finding found;
  for (const Rule& before : rules_) {
    if ((before.mask & ~rule.mask) != 0) continue;
    if (before.parts == rule.parts) {
      found.same = before.name;
      break;
    }
    if (found.wider.empty() &&
        std::includes(rule.parts.begin(), rule.parts.end(), before.parts.begin(), before.parts.end()))
      found.wider = before.name;
  }
  rules_.push_back(std::move(rule));
  return found;
}

}  // namespace shrike::scoring
