#include "scoring/rules/output.h"

#include <algorithm>

namespace shrike::scoring {
namespace {

constexpr size_t text_max = 8192;
constexpr std::string_view missing = "<NA>";

std::string read(const Operand& operand, const Context& context, Scratch& scratch) {
  scratch.values.clear();
  if (!evaluate(operand, context, scratch.values)) return std::string(missing);
  std::string out;
  for (const Value& value : scratch.values) {
    if (!out.empty()) out += ",";
    out += shown(operand.type, value, context.arena);
    if (out.size() > text_max) break;
  }
  if (out.size() > text_max) out.resize(text_max);
  return out;
}

// As the caller gave it, which in a container is a number of its own.
uint32_t target_number(const Event& event) {
  return static_cast<uint32_t>(event.kind == EventKind::vm_access ? event.arg[0] : event.arg[1]);
}

// What the message says in place of a field that is missing because the process, its parent, user or target is not
// known: less than the field, and more than "<NA>". Conditions and the alert's fields never see it.
std::string stand_in(const Operand& operand, const Context& context) {
  if (!operand.is_field()) return std::string(missing);
  const std::string_view name = operand.use.field->name;
  const Task& task = context.event.task;
  if (name == "user.name") return "uid " + std::to_string(task.euid);
  if (name == "fd.realpath" && context.event.kind == EventKind::module_load) return "given from memory";
  if (name == "target.name") return "a process not known";
  if (name == "target.pid") return std::to_string(target_number(context.event));
  const bool of_parent = name == "proc.pname" || name == "proc.pexepath" || name == "proc.pcmdline";
  if (of_parent && task.ppid != 0) return "pid " + std::to_string(task.ppid);
  if (name != "proc.name" && name != "proc.exepath" && name != "proc.cmdline") return std::string(missing);
  const std::string_view own = process_name(context);
  return own.empty() ? "pid " + std::to_string(task.pid) : "[" + std::string(own) + "]";
}

}  // namespace

std::variant<Output, Fault> Output::parse(const std::string& text) {
  Output output;
  std::string literal;
  for (size_t at = text.starts_with('*') ? 1 : 0; at < text.size();) {
    if (text[at] != '%') {
      literal += text[at++];
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == '%') {
      literal += '%';
      at += 2;
      continue;
    }
    // The name ends before the full stop of a sentence.
    size_t end = at + 1;
    auto parsed = parse_expression(text, end);
    auto* expression = std::get_if<Expression>(&parsed);
    if (end <= at + 1 || text[at + 1] == ' ' || expression == nullptr) {
      if (auto* fault = std::get_if<Fault>(&parsed); fault != nullptr && end > at + 1) return std::move(*fault);
      return Fault{"\"%\" has to be followed by a field (write %% for a percent sign)", at, false};
    }
    if (expression->kind == Expression::Kind::field && !expression->argument) {
      const size_t whole = expression->text.size();
      expression->text.resize(std::min(expression->text.find('-'), whole));
      while (expression->text.ends_with('.')) expression->text.pop_back();
      end -= whole - expression->text.size();
    }
    auto bound = bind_operand(*expression);
    if (auto* fault = std::get_if<Fault>(&bound)) return Fault{std::move(fault->message), at, fault->unknown};
    const OperandPtr use = std::get<OperandPtr>(std::move(bound));
    const auto same = std::find_if(output.uses_.begin(), output.uses_.end(),
                                   [&](const OperandPtr& other) { return other->key == use->key; });
    const auto place = static_cast<size_t>(same - output.uses_.begin());
    if (same == output.uses_.end()) output.uses_.push_back(use);
    output.parts_.push_back({std::move(literal), use, place});
    literal.clear();
    at = end;
  }
  if (!literal.empty()) output.parts_.push_back({std::move(literal), {}, 0});
  return output;
}

void Output::render(const Context& context, Scratch& scratch, std::string& message,
                    std::vector<std::pair<std::string, std::string>>& fields) const {
  fields.reserve(uses_.size());
  for (const OperandPtr& use : uses_) fields.emplace_back(use->key, read(*use, context, scratch));
  for (const Part& part : parts_) {
    message += part.text;
    if (part.use == nullptr) continue;
    const std::string& value = fields[part.name].second;
    message += value == missing ? stand_in(*part.use, context) : value;
  }
  if (message.size() > text_max) message.resize(text_max);
}

}  // namespace shrike::scoring
