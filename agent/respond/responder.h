#pragma once
// Decides what becomes of an alert, and tells it.

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "agent/respond/policy.h"
#include "agent/respond/protected.h"
#include "agent/respond/target.h"
#include "common/base/result.h"

namespace shrike::respond {

/// The rule of alerts about what was not done, which alone may be counted instead of told each time.
inline constexpr std::string_view withheld_rule = "Response withheld";

/// What does it. A fake in tests.
class Hands {
 public:
  virtual ~Hands() = default;
  /// SIGKILL or SIGSTOP to that very process. Errors: it has ended; its pid is another's; the kernel refused.
  virtual Result<void> signal(const Target& target, int number) = 0;
  /// Drops all packets of the process's cgroup. Errors: as above; the cgroup holds what may not be touched.
  virtual Result<void> cut(const Target& target) = 0;
};

class Responder {
 public:
  struct Counts {
    uint64_t taken = 0;
    uint64_t withheld = 0;
    uint64_t failed = 0;
    bool breaker_open = false;
  };

  Responder(Policy policy, Protected untouchable, Hands& hands)
      : policy_(std::move(policy)), untouchable_(std::move(untouchable)), hands_(hands) {}

  /// Does what `cause` asks for to the process of `event` and appends an alert of source response for each action
  /// taken, withheld or failed; nothing for observe, nor when that was done to this process already.
  /// `now_ns`: kernel time.
  void respond(const Event& event, const Alert& cause, uint64_t now_ns, std::vector<Alert>& told);

  /// A new policy closes the breaker again: somebody has looked.
  void set_policy(Policy policy, Protected untouchable);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Done {
    uint32_t pid = 0;
    uint64_t start_ns = 0;
    Action action = Action::observe;
  };
  [[nodiscard]] bool done(const Target& target, Action action) const;
  [[nodiscard]] bool breaker_lets(uint64_t now_ns, std::vector<Alert>& told, const Alert& cause);

  Policy policy_;
  Protected untouchable_;
  Hands& hands_;
  Counts counts_;
  std::deque<uint64_t> actions_;  // when, in the last minute
  std::array<Done, 1024> done_{};
  size_t next_done_ = 0;
};

}  // namespace shrike::respond
