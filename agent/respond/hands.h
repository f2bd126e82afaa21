#pragma once
// The real hands. What they need of the kernel stays allowed only where the configuration asks for it.

#include <functional>
#include <map>

#include "agent/respond/network_cut.h"
#include "agent/respond/responder.h"

namespace shrike::respond {

class KernelHands : public Hands {
 public:
  /// `find`: the process with a pid, null when it is not known; for who else is in a cgroup.
  /// `stop_denying`: switches the kernel's refusing off.
  KernelHands(Protected untouchable, std::function<const Process*(uint32_t pid)> find,
              std::function<Result<void>()> stop_denying)
      : untouchable_(std::move(untouchable)), find_(std::move(find)), stop_denying_(std::move(stop_denying)) {}

  void set_untouchable(Protected untouchable) { untouchable_ = std::move(untouchable); }
  Result<void> signal(const Target& target, int number) override;
  Result<void> cut(const Target& target) override;
  Result<void> stop_denying() override { return stop_denying_(); }

 private:
  Protected untouchable_;
  std::function<const Process*(uint32_t)> find_;
  std::function<Result<void>()> stop_denying_;
  std::map<std::string, NetworkCut> cuts_;  // by the cgroup's path
};

}  // namespace shrike::respond
