#include "agent/detonate/traces.h"

#include "agent/detonate/calls.h"
#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"

namespace shrike::detonate {
namespace {

using SequenceCall = scoring::sequence::Call;

/// Calls of other interfaces that mean the same are the same; the rest stand above all numbers of x86-64.
SequenceCall number_of(const sandbox::Call& call) {
  constexpr int others = 512;
  const int number = native_number(call);
  if (number >= 0 && number < others) return static_cast<SequenceCall>(number);
  return static_cast<SequenceCall>(others + (call.number & (others - 1)));
}

}  // namespace

void Traces::add(const sandbox::Call& call) {
  if (call.kind != sandbox::CallKind::call || calls_ >= calls_most) return;
  auto at = traces_.find(call.pid);
  if (at == traces_.end()) {
    if (traces_.size() >= processes_most) return;
    at = traces_.emplace(call.pid, std::vector<SequenceCall>()).first;
  }
  at->second.push_back(number_of(call));
  ++calls_;
}

std::optional<Traces::Worst> Traces::worst(const scoring::sequence::Profile& background) const {
  if (background.past().empty()) return std::nullopt;
  scoring::sequence::Scorer scorer(background);
  const scoring::sequence::Calibration calibration(background.past());
  std::optional<Worst> worst;
  for (const auto& [pid, calls] : traces_) {
    if (calls.size() < calls_least) continue;
    const double score = scorer.score(calls).combined;
    const double p = calibration.p_value(static_cast<float>(score));
    if (!worst || p < worst->p_value) worst = Worst{pid, calls.size(), score, p};
  }
  return worst;
}

}  // namespace shrike::detonate
