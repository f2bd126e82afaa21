#include "agent/respond/responder.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "common/wire/filter.h"

namespace shrike::respond {
namespace {

constexpr uint64_t minute_ns = 60'000'000'000;

std::string_view done_to(Action action) {
  switch (action) {
    case Action::kill:
      return "killed";
    case Action::stop:
      return "stopped";
    case Action::cut:
      return "cut off the network";
    case Action::deny:
      return "denied";
    case Action::observe:
      break;
  }
  return "observed";
}

Alert response(const Alert& cause, std::string_view rule, Severity severity, std::string message) {
  Alert alert;
  alert.time_ns = cause.time_ns;
  alert.node = cause.node;
  alert.rule = rule;
  alert.source = AlertSource::response;
  alert.severity = severity;
  alert.tree_risk = cause.tree_risk;
  alert.scores = cause.scores;
  alert.message = std::move(message);
  alert.process = cause.process;
  alert.ancestors = cause.ancestors;
  return alert;
}

/// The call as a verb; the numbers are those of Access and, above them, of bpf/shrike_filter.h.
std::string tried(uint64_t access) {
  constexpr std::pair<uint64_t, const char*> verbs[] = {
      {1u << 16, "open"},      {1u << 17, "execute"},    {access_rename, "rename"},     {access_unlink, "unlink"},
      {access_link, "link"},   {access_symlink, "make"}, {access_mkdir, "make"},        {access_rmdir, "remove"},
      {access_chmod, "chmod"}, {access_chown, "chown"},  {access_truncate, "truncate"}, {access_setxattr, "setxattr"},
  };
  const auto* at =
      std::find_if(std::begin(verbs), std::end(verbs), [&](const auto& one) { return one.first == access; });
  return at == std::end(verbs) ? "change" : at->second;
}

std::string named(const Target& target) {
  return (target.exe.empty() ? target.name : target.exe) + " (pid " + std::to_string(target.pid) + ")";
}

}  // namespace

bool Responder::done(const Target& target, Action action) const {
  return std::any_of(done_.begin(), done_.end(), [&](const Done& one) {
    return one.pid == target.pid && one.start_ns == target.start_ns &&
           (one.action == action || one.action == Action::kill);
  });
}

bool Responder::breaker_lets(uint64_t now_ns, std::vector<Alert>& told, const Alert& cause) {
  if (counts_.breaker_open) return false;
  while (!actions_.empty() && actions_.front() + minute_ns <= now_ns) actions_.pop_front();
  if (actions_.size() < policy_.max_per_minute) {
    actions_.push_back(now_ns);
    return true;
  }
  counts_.breaker_open = true;
  Alert alert = response(cause, "Response breaker open", Severity::critical,
                         "More than " + std::to_string(policy_.max_per_minute) +
                             " actions in a minute: from now on the agent only observes, until it is reloaded");
  alert.fields = {{"max_per_minute", std::to_string(policy_.max_per_minute)}, {"cause_rule", cause.rule}};
  if (!denying_.rules.empty())
    if (const auto stopped = hands_.stop_denying(); !stopped) {
      alert.message += "; but the kernel goes on refusing calls: " + stopped.error().message;
      ++counts_.failed;
    }
  told.push_back(std::move(alert));
  return false;
}

void Responder::respond(const Event& event, const Alert& cause, uint64_t now_ns, std::vector<Alert>& told) {
  const Action action = policy_.wanted(cause);
  if (action == Action::observe || event.kind == EventKind::none || event.task.pid == 0) return;
  const Target target = target_of(event);
  if (done(target, action)) return;
  const auto why_not = denying_.why_not.find(cause.rule);
  // Where the kernel decides, what it let pass was exempt, or is told by the rule itself.
  if (action == Action::deny && why_not == denying_.why_not.end()) return;

  std::optional<std::string> withheld = untouchable_.why(target);
  if (!withheld && action == Action::deny) withheld = why_not->second;
  if (!withheld && policy_.dry_run) withheld = "dry run";
  if (!withheld && !breaker_lets(now_ns, told, cause)) withheld = "the breaker is open";

  std::optional<Error> failed;
  if (!withheld) {
    const auto did =
        action == Action::cut ? hands_.cut(target) : hands_.signal(target, action == Action::kill ? SIGKILL : SIGSTOP);
    if (did)
      done_[next_done_++ % done_.size()] = {target.pid, target.start_ns, action, 0};
    else
      failed = did.error();
  }
  const std::string because = " because of \"" + cause.rule + "\"";
  Alert alert;
  if (withheld) {
    ++counts_.withheld;
    alert = response(cause, withheld_rule, Severity::medium,
                     named(target) + " was not " + std::string(done_to(action)) + because + ": " + *withheld);
  } else if (failed) {
    ++counts_.failed;
    alert =
        response(cause, "Response failed", Severity::high,
                 named(target) + " could not be " + std::string(done_to(action)) + because + ": " + failed->message);
  } else {
    ++counts_.taken;
    alert = response(cause, "Response taken", std::max(cause.severity, Severity::medium),
                     named(target) + " was " + std::string(done_to(action)) + because);
  }
  alert.fields = {{"action", std::string(action_name(action))},
                  {"outcome", withheld ? "withheld"
                              : failed ? "failed"
                                       : "taken"},
                  {"reason", withheld ? *withheld
                             : failed ? failed->message
                                      : ""},
                  {"cause_rule", cause.rule},
                  {"cause_uid", cause.uid},
                  {"target_pid", std::to_string(target.pid)},
                  {"target_start_ns", std::to_string(target.start_ns)},
                  {"target_exe", target.exe}};
  told.push_back(std::move(alert));
}

void Responder::denied(const Event& event, const Alert& about, uint64_t now_ns, std::vector<Alert>& told) {
  const auto known = denying_.rules.find(event.arg[0]);
  // Of a generation of the programs that has just been replaced.
  const std::string rule = known != denying_.rules.end() ? known->second : "a rule that is no longer in force";
  const Target target = target_of(event);
  const bool refused = event.arg[2] != 0;
  Alert cause = about;
  cause.rule = rule;
  std::string what = tried(event.arg[1]) + " ";
  what += event.real_path.empty() ? "inode " + std::to_string(event.object.inode) : std::string(event.real_path);
  const std::string because = " because of \"" + rule + "\"";
  const std::string reason = refused ? "" : policy_.dry_run ? "dry run" : "the breaker is open";
  Alert alert = refused
                    ? response(cause, refused_rule, Severity::high, named(target) + " was refused to " + what + because)
                    : response(cause, withheld_rule, Severity::medium,
                               named(target) + " was not refused to " + what + because + ": " + reason);
  alert.fields = {{"action", "deny"},
                  {"outcome", refused ? "taken" : "withheld"},
                  {"reason", reason},
                  {"cause_rule", rule},
                  {"tried", tried(event.arg[1])},
                  {"path", std::string(event.real_path)},
                  {"target_pid", std::to_string(target.pid)},
                  {"target_start_ns", std::to_string(target.start_ns)},
                  {"target_exe", target.exe}};
  refused ? ++counts_.taken : ++counts_.withheld;
  told.push_back(std::move(alert));
  if (refused && refusal_counts(event, target, now_ns)) (void)breaker_lets(now_ns, told, cause);
}

bool Responder::refusal_counts(const Event& event, const Target& target, uint64_t now_ns) {
  if (const uint32_t user = event.task.uid; user != 0) {
    // In namespaces of his own a user has thousands of ids.
    if (event.task.ns_user != untouchable_.user_namespace) return false;
    std::erase_if(refused_users_, [&](const auto& one) { return one.second + minute_ns <= now_ns; });
    return refused_users_.try_emplace(user, now_ns).second;
  }
  const auto again = [&](const Done& one) {
    return one.pid == target.pid && one.start_ns == target.start_ns && one.action == Action::deny &&
           one.rule == event.arg[0];
  };
  if (std::any_of(done_.begin(), done_.end(), again)) return false;
  done_[next_done_++ % done_.size()] = {target.pid, target.start_ns, Action::deny, event.arg[0]};
  return true;
}

void Responder::set_policy(Policy policy, Protected untouchable, bool looked) {
  policy_ = std::move(policy);
  untouchable_ = std::move(untouchable);
  if (!looked) return;
  actions_.clear();
  counts_.breaker_open = false;
}

}  // namespace shrike::respond
