#pragma once
// Decides what becomes of an alert, and tells it.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/respond/policy.h"
#include "agent/respond/protected.h"
#include "agent/respond/target.h"
#include "common/base/result.h"

namespace shrike::respond {

/// The rule of alerts about what was not done, which alone may be counted instead of told each time.
inline constexpr std::string_view withheld_rule = "Response withheld";

/// The rule of alerts about calls that the kernel refused, of which there can be many too.
inline constexpr std::string_view refused_rule = "Call refused";

/// Which rules the kernel refuses calls for.
struct Denying {
  std::map<uint64_t, std::string> rules;                    ///< by denial_number
  std::map<std::string, std::string, std::less<>> why_not;  ///< rules with the action deny that it does not, and why
};

/// What does it. A fake in tests.
class Hands {
 public:
  virtual ~Hands() = default;
  /// SIGKILL or SIGSTOP to that very process. Errors: it has ended; its pid is another's; the kernel refused.
  virtual Result<void> signal(const Target& target, int number) = 0;
  /// Drops all packets of the process's cgroup. Errors: as above; the cgroup holds what may not be touched.
  virtual Result<void> cut(const Target& target) = 0;
  /// From now on the kernel only tells what it would refuse. Errors: it went on refusing.
  virtual Result<void> stop_denying() = 0;
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

  /// `event` of kind denied: appends what is to be told of it. `about`: an alert of that event, which says whose it
  /// was. Refusals are actions too: of each process of root's the first for each rule counts, of all processes of
  /// another user of this host's namespace one in a minute, so that no user can open the breaker by what he is refused.
  void denied(const Event& event, const Alert& about, uint64_t now_ns, std::vector<Alert>& told);
  void set_denying(Denying denying) { denying_ = std::move(denying); }

  /// `looked`: somebody has asked for it, which closes the breaker again.
  void set_policy(Policy policy, Protected untouchable, bool looked);
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Done {
    uint32_t pid = 0;
    uint64_t start_ns = 0;
    Action action = Action::observe;
    uint64_t rule = 0;  // deny: its number
  };
  [[nodiscard]] bool done(const Target& target, Action action) const;
  [[nodiscard]] bool refusal_counts(const Event& event, const Target& target, uint64_t now_ns);
  [[nodiscard]] bool breaker_lets(uint64_t now_ns, std::vector<Alert>& told, const Alert& cause);

  Policy policy_;
  Protected untouchable_;
  Hands& hands_;
  Denying denying_;
  Counts counts_;
  std::deque<uint64_t> actions_;                // when, in the last minute
  std::map<uint32_t, uint64_t> refused_users_;  // when one of each was last counted, in the last minute
  std::array<Done, 1024> done_{};
  size_t next_done_ = 0;
};

}  // namespace shrike::respond
