#include "scoring/sigma/load.h"

#include <algorithm>
#include <array>
#include <optional>

#include "scoring/sigma/translate.h"

namespace shrike::scoring::sigma {
namespace {

constexpr size_t fact_max = 500;  // characters of a fact that goes into every alert

struct Level {
  std::string_view name;
  Severity severity;
};
constexpr auto levels = std::to_array<Level>({{"critical", Severity::critical},
                                              {"high", Severity::high},
                                              {"medium", Severity::medium},
                                              {"low", Severity::low},
                                              {"informational", Severity::info},
                                              {"", Severity::info}});

// How far its authors trust a rule.
double confidence_of(const std::string& status) {
  if (status == "stable") return 0.8;
  if (status == "experimental") return 0.5;
  return 0.7;
}

// "attack.t1059.004" is T1059.004; "attack.execution" is a tactic, and none.
std::optional<std::string> technique(std::string_view tag) {
  constexpr std::string_view prefix = "attack.t";
  if (!tag.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = tag.substr(prefix.size());
  const auto digits = [](std::string_view text) {
    return text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const bool whole = rest.size() == 4 && digits(rest);
  const bool part = rest.size() == 8 && digits(rest.substr(0, 4)) && rest[4] == '.' && digits(rest.substr(5));
  return whole || part ? std::optional("T" + std::string(rest)) : std::nullopt;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

// For a text in which a percent sign begins a field.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '%' ? "%%" : std::string(1, c);
  return out;
}

// The licence of Sigma's rules asks that a match shows who wrote the rule and which it is.
std::string credit(const Rule& rule) {
  return " [Sigma " + (rule.id.empty() ? "rule without id" : rule.id) + " by " +
         (rule.author.empty() ? "unknown" : rule.author) + "]";
}

class Loader {
 public:
  explicit Loader(const RuleFile& file) : file_(file) {}

  Loaded load() {
    for (Reading& reading : read_rules(file_)) add(reading);
    return std::move(out_);
  }

 private:
  void report(RuleStatus::State state, const Rule& rule, const Position& where, std::string reason) {
    out_.statuses.push_back({state, rule.title, where.file, where.line, where.column, std::move(reason)});
  }

  void add(Reading& reading) {
    Rule& rule = reading.rule;
    if (reading.wrong || reading.unsupported) {
      report(reading.wrong ? RuleStatus::State::wrong : RuleStatus::State::unsupported, rule, reading.problem.position,
             std::move(reading.problem.message));
      return;
    }
    if (rule.status == "deprecated" || rule.status == "unsupported") {
      report(RuleStatus::State::disabled, rule, rule.position, "its status is " + rule.status);
      return;
    }
    const auto level = std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return l.name == rule.level; });
    if (level == levels.end()) {
      report(RuleStatus::State::wrong, rule, rule.position,
             "unknown level \"" + rule.level + "\": critical, high, medium, low or informational");
      return;
    }
    const Log log = log_of(rule);
    Translation translation = translate(rule, log);
    if (translation.problem) {
      report(RuleStatus::State::unsupported, rule, translation.problem->position,
             std::move(translation.problem->message));
      return;
    }
    ReadyRule ready;
    Position where;
    auto bound = bind_tree(translation.condition, ready.remarks, where);
    if (auto* const fault = std::get_if<Fault>(&bound)) {
      report(RuleStatus::State::unsupported, rule, rule.position, std::move(fault->message));
      return;
    }
    ready.condition = std::get<TreePtr>(std::move(bound));
    ready.name = rule.title;
    ready.position = rule.position;
    ready.source = AlertSource::sigma;
    ready.severity = level->severity;
    ready.confidence = confidence_of(rule.status);
    for (const std::string& tag : rule.tags)
      if (auto id = technique(tag)) ready.attack.push_back(std::move(*id));
    ready.output = log.output + escaped(credit(rule));
    const auto fact = [&](const char* name, std::string text) {
      if (text.size() > fact_max) text.resize(fact_max);
      if (!text.empty()) ready.facts.emplace_back(name, std::move(text));
    };
    fact("sigma.id", rule.id);
    fact("sigma.author", rule.author);
    fact("sigma.status", rule.status);
    fact("sigma.references", joined(rule.references));
    fact("sigma.falsepositives", joined(rule.falsepositives));
    for (const std::string& note : translation.notes) ready.remarks.push_back(note);
    if (!log.remark.empty() && asks_for_paths(*rule.detection)) ready.remarks.push_back(log.remark);
    out_.rules.push_back(std::move(ready));
  }

  static bool asks_for_paths(const Term& term) {
    if (term.kind == Term::Kind::item) return term.item.field == "name" || term.item.field == "nametype";
    return std::any_of(term.children.begin(), term.children.end(),
                       [](const TermPtr& child) { return asks_for_paths(*child); });
  }

  const RuleFile& file_;
  Loaded out_;
};

}  // namespace

Loaded load(const RuleFile& file) { return Loader(file).load(); }

}  // namespace shrike::scoring::sigma

namespace shrike::scoring {

Result<RuleSet> compile_rules(const std::vector<RuleFile>& files, std::vector<RuleStatus>* statuses,
                              const CompileOptions& options) {
  std::vector<RuleFile> falco;
  std::vector<ReadyRule> ready;
  std::optional<Error> wrong;
  for (const RuleFile& file : files) {
    if (!sigma::is_sigma(file.text)) {
      falco.push_back(file);
      continue;
    }
    sigma::Loaded loaded = sigma::load(file);
    for (ReadyRule& rule : loaded.rules) ready.push_back(std::move(rule));
    for (RuleStatus& status : loaded.statuses) {
      if (status.state == RuleStatus::State::wrong && !wrong) {
        const Position where{status.file, status.line, status.column};
        wrong = Error{(where.line > 0 ? where.text() : where.file) + ": " + status.reason, 0};
      }
      if (statuses != nullptr) statuses->push_back(std::move(status));
    }
  }
  auto rules = RuleSet::compile(falco, ready, statuses, options);
  if (wrong && rules.ok()) return *wrong;
  return rules;
}

}  // namespace shrike::scoring
