#include "scoring/rules/engine.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>
#include <set>

#include "common/base/bytes.h"
#include "common/wire/keys.h"
#include "scoring/rules/definitions.h"
#include "scoring/rules/denial.h"
#include "scoring/rules/derive.h"
#include "scoring/rules/explain.h"
#include "scoring/rules/output.h"
#include "scoring/rules/program.h"
#include "scoring/rules/ready_rule.h"
#include "scoring/rules/shadow.h"

namespace shrike::scoring {
namespace {

struct Level {
  std::string_view name;
  Severity severity;
};
// Falco's priorities and what they are to us.
constexpr auto levels = std::to_array<Level>({{"emergency", Severity::critical},
                                              {"alert", Severity::critical},
                                              {"critical", Severity::critical},
                                              {"error", Severity::high},
                                              {"warning", Severity::medium},
                                              {"notice", Severity::low},
                                              {"informational", Severity::info},
                                              {"info", Severity::info},
                                              {"debug", Severity::info}});

std::optional<Severity> severity_of(std::string_view priority) {
  for (const Level& level : levels) {
    if (level.name.size() == priority.size() && contains_ignoring_case(level.name, priority)) return level.severity;
  }
  return std::nullopt;
}

// As Falco prints it: "INFO", "info" and "informational" are all "Informational".
std::string priority_word(std::string_view priority) {
  std::string word(priority);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (word == "info") word = "informational";
  if (!word.empty()) word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
  return word;
}

// Harm if true, from 0 to 1.
double weight_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return 0.1;
    case Severity::low:
      return 0.3;
    case Severity::medium:
      return 0.5;
    case Severity::high:
      return 0.8;
    case Severity::critical:
      return 1;
  }
  return 0;
}

// To three decimals: 0.8 * 0.9 is 0.7200000000000001 otherwise, in every alert's JSON.
double risk_of(Severity severity, double confidence) {
  return std::round(weight_of(severity) * confidence * 1000) / 1000;
}
constexpr double usual_confidence = 0.7;

// T1003 or T1003.008.
bool is_technique(std::string_view tag) {
  const auto digits = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i)
      if (tag[i] < '0' || tag[i] > '9') return false;
    return true;
  };
  if (tag.size() != 5 && tag.size() != 9) return false;
  return tag[0] == 'T' && digits(1, 5) && (tag.size() == 5 || (tag[5] == '.' && digits(6, 9)));
}

struct Rule {
  std::string name;
  AlertSource source = AlertSource::falco;
  Severity severity = Severity::info;
  double confidence = usual_confidence;
  std::vector<std::string> attack;
  std::string priority;  // Falco's own word for it
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> facts;  // for the alert's fields
  Output output;
};

RuleStatus status_of(const RuleDefinition& rule, RuleStatus::State state, std::string reason) {
  return {state, rule.name, rule.position.file, rule.position.line, rule.position.column, std::move(reason)};
}
Error error_at(const Position& where, const std::string& message) {
  return {(where.line > 0 ? where.text() : where.file) + ": " + message, 0};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

// Texts that fd.sip.name and its like are compared with.
void names_of_hosts(const Tree& tree, std::vector<std::string>& names) {
  for (const TreePtr& child : tree.children) names_of_hosts(*child, names);
  if (!tree.is(Tree::Kind::check) || tree.check->field() == nullptr) return;
  const std::string_view name = tree.check->field()->field->name;
  if (!name.starts_with("fd.") || !name.ends_with("ip.name")) return;
  for (const std::string& text : tree.check->texts)
    if (std::find(names.begin(), names.end(), text) == names.end()) names.push_back(text);
}

// Sets of objects that a condition asks for.
void names_of_objects(const Tree& tree, std::set<std::string>& names) {
  for (const TreePtr& child : tree.children) names_of_objects(*child, names);
  if (!tree.is(Tree::Kind::check) || tree.check->field() == nullptr) return;
  const std::string_view name = tree.check->field()->field->name;
  if (name == "fd.object" || name == "proc.exe_object")
    names.insert(tree.check->texts.begin(), tree.check->texts.end());
}

// So that whoever follows the paths hears of it when one becomes another file.
void watch_names(const std::vector<std::string>& paths, FilterSpec& filter) {
  for (const std::string& path : paths) {
    if (path.find_first_of("*?[") != std::string::npos) continue;
    filter.prefixes[path] |= access_rename | access_link;
  }
  for (const EventKind kind : {EventKind::rename, EventKind::link}) {
    const auto k = static_cast<size_t>(kind);
    if (!filter.kinds.test(k)) filter.success_only.set(k);
    filter.kinds.set(k);
  }
}

}  // namespace

struct RuleSet::Impl {
  std::vector<Rule> rules;
  std::array<Program, event_kind_count> programs;
  FilterSpec filter;
  std::string digest;
  std::string hostname;
  bool first = false;
  std::shared_ptr<const HostNames> hosts;
  std::vector<std::string> host_names;
  std::vector<TreePtr> conditions;        // of `rules`, to explain them
  std::vector<std::string> object_names;  // by bit
  std::set<std::string> objects;          // that rules ask for
  // What evaluation writes into.
  Scratch scratch;
  std::vector<uint32_t> matched;
  int64_t number = 0;

  void add(Rule rule, const TreePtr& condition, bool warn_types, std::vector<std::string>& remarks);
  void add_objects(const std::vector<ObjectsDefinition>& definitions, std::string& canonical);
  void finish(const std::string& canonical);
};

void RuleSet::Impl::add(Rule rule, const TreePtr& condition, bool warn_types, std::vector<std::string>& remarks) {
  const auto index = static_cast<uint32_t>(rules.size());
  size_t fires = 0;
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<EventKind>(k);
    if (kind_name(kind) == "none") continue;
    const TreePtr left = fold(condition, {kind, World::Outcome::any, 0});
    if (left->is(Tree::Kind::no)) continue;
    programs[k].add(index, left, kind);
    ++fires;
  }
  rules.push_back(std::move(rule));
  conditions.push_back(condition);
  names_of_hosts(*condition, host_names);
  names_of_objects(*condition, objects);
  if (fires == 0) {
    remarks.push_back("never fires: " + joined(explain_condition(rules.back().name, condition).never));
    return;
  }
  constexpr size_t many = 40;
  if (fires >= many && warn_types)
    remarks.emplace_back("expensive: no evt.type, so every kind of event leaves the kernel");
  const uint32_t everywhere = derive_filter(condition, filter);
  if ((everywhere & (access_open_read | access_open_write)) != 0)
    remarks.emplace_back((everywhere & access_open_read) != 0
                             ? "expensive: no path can be derived, so every open leaves the kernel"
                             : "expensive: no path can be derived, so every open for writing leaves the kernel");
}

void RuleSet::Impl::add_objects(const std::vector<ObjectsDefinition>& definitions, std::string& canonical) {
  for (const ObjectsDefinition& one : definitions) {
    const auto bit = static_cast<uint32_t>(object_names.size());
    object_names.push_back(one.name);
    if (!objects.contains(one.name)) continue;
    FilterSpec::Objects& wanted = filter.objects[one.name];
    wanted.sets = 1u << bit;
    wanted.paths = one.paths;
    if (wanted.access != 0) watch_names(one.paths, filter);
    canonical += "objects " + one.name + "\n" + joined(one.paths) + "\n";
  }
}

void RuleSet::Impl::finish(const std::string& canonical) {
  size_t checks = 0, slots = 0, most_rules = 0;
  for (Program& program : programs) {
    program.finish();
    program.take_room(scratch);
    checks = std::max(checks, program.check_count());
    slots = std::max(slots, program.slot_count());
    most_rules = std::max(most_rules, program.rule_count());
  }
  scratch.known.resize(checks);
  scratch.candidate.resize(checks);
  scratch.slots.resize(slots);
  scratch.values.reserve(slots * 2 + 256);
  scratch.made.reserve(256);
  scratch.wanted.resize((most_rules + 63) / 64);
  scratch.passed.resize(scratch.wanted.size());
  scratch.found.reserve(1024);
  digest = hex(as_bytes(sha256(canonical)));
}

namespace {

// One rule on its way from text to a bound condition. `wrong` names the first fault.
struct Outcome {
  Rule rule;
  TreePtr condition;
  std::optional<Problem> wrong;
  bool unknown = false;
};

Outcome build(const Definitions& definitions, const RuleDefinition& definition, std::vector<std::string>& remarks) {
  Outcome out;
  out.rule.name = definition.name;
  const auto severity = severity_of(definition.priority->value);
  if (!severity) {
    out.wrong = {"unknown priority \"" + definition.priority->value +
                     "\": emergency, alert, critical, error, warning, notice, informational or debug",
                 definition.priority->at(0)};
    return out;
  }
  out.rule.severity = *severity;
  out.rule.priority = priority_word(definition.priority->value);
  out.rule.tags = definition.tags;
  if (definition.confidence > 0) out.rule.confidence = definition.confidence;
  for (const std::string& tag : definition.tags)
    if (is_technique(tag)) out.rule.attack.push_back(tag);

  auto tree = definitions.condition_of(definition);
  if (auto* problem = std::get_if<Problem>(&tree)) {
    out.wrong = std::move(*problem);
    return out;
  }
  Position where;
  auto bound = bind_tree(std::get<NodePtr>(tree), remarks, where);
  if (auto* fault = std::get_if<Fault>(&bound)) {
    out.wrong = {std::move(fault->message), where};
    out.unknown = fault->unknown;
    return out;
  }
  out.condition = std::get<TreePtr>(std::move(bound));
  auto output = Output::parse(definition.output->value);
  if (auto* fault = std::get_if<Fault>(&output)) {
    out.wrong = {"in the output: " + fault->message, definition.output->at(fault->offset)};
    out.unknown = fault->unknown;
    return out;
  }
  out.rule.output = std::get<Output>(std::move(output));
  return out;
}

// All that decides what a rule says and when, as text.
std::string spelt(const Rule& rule, const TreePtr& condition, const std::string& output) {
  std::string out = rule.name + "\n" + std::string(severity_name(rule.severity)) + "\n" +
                    std::to_string(rule.confidence) + "\n" + joined(rule.attack) + "\n" + output + "\n";
  for (const auto& [name, value] : rule.facts) out += name + "=" + value + "\n";
  print(condition, out);
  return out + "\n";
}

}  // namespace

RuleSet::RuleSet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RuleSet::RuleSet(RuleSet&&) noexcept = default;
RuleSet& RuleSet::operator=(RuleSet&&) noexcept = default;
RuleSet::~RuleSet() = default;

Result<RuleSet> RuleSet::compile(const std::vector<RuleFile>& files, std::vector<RuleStatus>* statuses,
                                 const CompileOptions& options) {
  return compile(files, {}, statuses, options);
}

Result<RuleSet> RuleSet::compile(const std::vector<RuleFile>& files, const std::vector<ReadyRule>& more,
                                 std::vector<RuleStatus>* statuses, const CompileOptions& options) {
  std::optional<Error> first;
  const auto report = [&](RuleStatus status) {
    if (statuses != nullptr) statuses->push_back(std::move(status));
  };
  const auto wrong = [&](const std::string& rule, const Problem& problem) {
    if (!first) first = error_at(problem.position, problem.message);
    report({RuleStatus::State::wrong, rule, problem.position.file, problem.position.line, problem.position.column,
            problem.message});
  };

  Definitions definitions;
  std::vector<std::pair<std::string, Problem>> problems;
  for (const RuleFile& file : files) definitions.add(read_document(file), problems);
  for (const auto& [name, problem] : problems) wrong(name, problem);

  auto impl = std::make_unique<Impl>();
  impl->hostname = options.hostname;
  impl->first = options.first;
  std::string canonical = "shrike rules 1\n" + options.hostname + "\n" + (options.first ? "first\n" : "");
  Shadows shadows;
  for (const RuleDefinition& definition : definitions.rules()) {
    if (definition.source != "syscall") {
      report(status_of(definition, RuleStatus::State::unsupported, "source \"" + definition.source + "\" is not ours"));
      continue;
    }
    std::vector<std::string> remarks = definition.remarks;
    Outcome outcome = build(definitions, definition, remarks);
    if (!definition.enabled) {
      const bool wrong_too = outcome.wrong && !(outcome.unknown && definition.skip_if_unknown);
      report(status_of(definition, RuleStatus::State::disabled,
                       wrong_too ? "would not load: " + outcome.wrong->message : ""));
      continue;
    }
    if (outcome.wrong && outcome.unknown && definition.skip_if_unknown) {
      report(status_of(definition, RuleStatus::State::unsupported, outcome.wrong->message));
      continue;
    }
    if (outcome.wrong) {
      wrong(definition.name, *outcome.wrong);
      continue;
    }
    canonical += spelt(outcome.rule, outcome.condition, definition.output->value);
    const Shadows::Finding shadow = shadows.add(definition.name, outcome.condition);
    if (!shadow.same.empty()) {
      remarks.push_back("shadowed: \"" + shadow.same + "\" has the same condition");
    } else if (options.first && !shadow.wider.empty()) {
      remarks.push_back("shadowed: \"" + shadow.wider + "\" comes first and holds whenever this does");
    }
    impl->add(std::move(outcome.rule), outcome.condition, definition.warn_types, remarks);
    report(status_of(definition, RuleStatus::State::loaded, joined(remarks)));
  }
  for (const ReadyRule& ready : more) {
    auto output = Output::parse(ready.output);
    if (const auto* fault = std::get_if<Fault>(&output)) {
      wrong(ready.name, {"in the output: " + fault->message, ready.position});
      continue;
    }
    Rule rule;
    rule.name = ready.name;
    rule.source = ready.source;
    rule.severity = ready.severity;
    rule.confidence = ready.confidence;
    rule.attack = ready.attack;
    rule.facts = ready.facts;
    rule.output = std::get<Output>(std::move(output));
    canonical += spelt(rule, ready.condition, ready.output);
    std::vector<std::string> remarks = ready.remarks;
    impl->add(std::move(rule), ready.condition, true, remarks);
    report({RuleStatus::State::loaded, ready.name, ready.position.file, ready.position.line, ready.position.column,
            joined(remarks)});
  }
  if (first) return *first;
  impl->add_objects(definitions.objects(), canonical);
  impl->finish(canonical);
  return RuleSet(std::move(impl));
}

void RuleSet::evaluate(const Event& event, std::vector<Alert>& alerts) const {
  Impl& impl = *impl_;
  const auto kind = static_cast<size_t>(event.kind);
  ++impl.number;
  if (kind >= event_kind_count) return;
  const Context context{event,         event.process,    impl.scratch.arena, impl.number,
                        impl.hostname, impl.hosts.get(), &impl.object_names};
  impl.matched.clear();
  impl.programs[kind].run(context, impl.scratch, [&](uint32_t rule) {
    impl.matched.push_back(rule);
    return !impl.first;
  });
  for (const uint32_t index : impl.matched) {
    const Rule& rule = impl.rules[index];
    Alert& alert = alerts.emplace_back(alert_about(event));
    alert.rule = rule.name;
    alert.source = rule.source;
    alert.severity = rule.severity;
    alert.confidence = rule.confidence;
    alert.risk = risk_of(rule.severity, rule.confidence);
    alert.attack = rule.attack;
    alert.priority = rule.priority;
    alert.tags = rule.tags;
    // Only what the kernel told, so that a replayed event has the same uid.
    const std::string identity = rule.name + "\n" + std::to_string(event.boot_ns) + "\n" +
                                 std::to_string(event.task.tid) + "\n" + std::to_string(event.task.start_ns);
    alert.uid = hex(as_bytes(sha256(identity))).substr(0, 32);
    rule.output.render(context, impl.scratch, alert.message, alert.fields);
    alert.fields.insert(alert.fields.end(), rule.facts.begin(), rule.facts.end());
  }
}

const FilterSpec& RuleSet::filter() const { return impl_->filter; }
std::optional<Explanation> RuleSet::explain(std::string_view rule) const {
  const auto& rules = impl_->rules;
  const auto at = std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.name == rule; });
  if (at == rules.end()) return std::nullopt;
  const auto index = static_cast<uint32_t>(at - rules.begin());
  Explanation out = explain_condition(at->name, impl_->conditions[index]);
  for (Explanation::Kind& kind : out.kinds) {
    const Selection selection = impl_->programs[static_cast<size_t>(*kind_named(kind.kind))].selection(index);
    kind.gates = selection.gates;
    kind.guard = selection.guard;
    kind.begun = selection.weight;
  }
  return out;
}
Result<std::vector<Denial>> RuleSet::denials(std::string_view rule) const {
  const auto& rules = impl_->rules;
  const auto at = std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.name == rule; });
  if (at == rules.end()) return Error{"no rule of that name is loaded"};
  return denials_of(at->name, impl_->conditions[static_cast<size_t>(at - rules.begin())], impl_->object_names,
                    impl_->filter.objects);
}
const std::vector<std::string>& RuleSet::host_names() const { return impl_->host_names; }
void RuleSet::set_hosts(std::shared_ptr<const HostNames> hosts) { impl_->hosts = std::move(hosts); }
size_t RuleSet::size() const { return impl_->rules.size(); }
std::string RuleSet::digest() const { return impl_->digest; }

}  // namespace shrike::scoring
