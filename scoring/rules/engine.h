#pragma once
// The rule engine: rule files in, alerts out. Pure: no files, no clock, no kernel; the caller reads the files.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/alert.h"
#include "common/wire/denial.h"
#include "common/wire/event.h"
#include "common/wire/filter.h"

namespace shrike::scoring {

/// One rule file's text and the name to use for it in errors.
struct RuleFile {
  std::string name;
  std::string text;
};

/// What became of one rule.
struct RuleStatus {
  enum class State : uint8_t { loaded, disabled, unsupported, wrong };
  State state = State::loaded;
  std::string rule;
  std::string file;
  int line = 0;  ///< 1-based, 0 when it is about the whole file
  int column = 0;
  std::string reason;  ///< for unsupported and wrong; for loaded: a warning, or empty
};

struct ReadyRule;  // ready_rule.h

struct Explanation;  // explain.h

/// Names of hosts, resolved by the caller: fd.sip.name and its like.
struct HostNames {
  std::map<std::string, std::vector<std::string>, std::less<>> names;  ///< 4 or 16 bytes of an address -> its names
};

/// What rules may ask for and no event carries.
struct CompileOptions {
  std::string hostname;  ///< evt.hostname; missing when empty
  bool first = false;    ///< only the first rule that matches fires, in the order they were loaded; else all
};

class RuleSet {
 public:
  /// Compiles all files in their order, as one set. `statuses` (may be null) receives every rule's fate, also on error.
  /// Errors: the first wrong item with file, line, column and what to do. A rule that needs a field, operator or event
  /// we do not have is `unsupported`, not an error, only when its item says `skip-if-unknown-filter: true`; so is one
  /// of another source than "syscall".
  static Result<RuleSet> compile(const std::vector<RuleFile>& files, std::vector<RuleStatus>* statuses,
                                 const CompileOptions& options = {});
  /// The same with rules of other front ends behind them, in one compiled form.
  static Result<RuleSet> compile(const std::vector<RuleFile>& files, const std::vector<ReadyRule>& more,
                                 std::vector<RuleStatus>* statuses, const CompileOptions& options);

  RuleSet(RuleSet&&) noexcept;
  RuleSet& operator=(RuleSet&&) noexcept;
  ~RuleSet();

  /// Appends an Alert for every rule that matches. No allocation when none does. Not thread-safe on one RuleSet.
  void evaluate(const Event& event, std::vector<Alert>& alerts) const;
  /// What these rules need to see.
  [[nodiscard]] const FilterSpec& filter() const;
  /// What a rule asks and how; nothing when no loaded rule has that name.
  [[nodiscard]] std::optional<Explanation> explain(std::string_view rule) const;
  /// What the kernel can refuse for a rule. Errors: no loaded rule has that name; what in its condition only user space
  /// can answer.
  [[nodiscard]] Result<std::vector<Denial>> denials(std::string_view rule) const;
  /// The names that rules compare fd.sip.name and its like with: to be resolved now and then, and given to set_hosts.
  [[nodiscard]] const std::vector<std::string>& host_names() const;
  /// From now on addresses have these names; null: none. Until then no rule over fd.sip.name fires.
  void set_hosts(std::shared_ptr<const HostNames> hosts);
  [[nodiscard]] size_t size() const;
  /// SHA-256 over all that decides what fires.
  [[nodiscard]] std::string digest() const;

 private:
  struct Impl;
  explicit RuleSet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An Alert about `event` with process, ancestors and time filled; the caller adds rule, severity, message and fields.
Alert alert_about(const Event& event);

}  // namespace shrike::scoring
