#include "scoring/rules/output.h"

#include <arpa/inet.h>

#include <algorithm>

namespace shrike::scoring {
namespace {

constexpr size_t text_max = 8192;
constexpr std::string_view missing = "<NA>";

bool is_field(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

void show(const Field& field, const Value& value, std::string& out) {
  switch (field.type) {
    case Type::text:
      out += value.text;
      return;
    case Type::number:
      out += std::to_string(value.number);
      return;
    case Type::boolean:
      out += value.number != 0 ? "true" : "false";
      return;
    case Type::address: {
      char room[INET6_ADDRSTRLEN];
      const int family = value.text.size() == 4 ? AF_INET : AF_INET6;
      if (inet_ntop(family, value.text.data(), room, sizeof room) != nullptr) out += room;
      return;
    }
  }
}

std::string read(const FieldUse& use, const Context& context, Scratch& scratch) {
  const auto reader = reader_for(use, context.event.kind);
  if (!reader) return std::string(missing);
  scratch.values.clear();
  Values values(scratch.values);
  reader->extract(context, reader->index, values);
  if (scratch.values.empty()) return std::string(missing);
  std::string out;
  for (const Value& value : scratch.values) {
    if (!out.empty()) out += ",";
    show(*use.field, value, out);
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
std::string stand_in(const FieldUse& use, const Context& context) {
  const std::string_view name = use.field->name;
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
    size_t end = at + 1;
    while (end < text.size() && is_field(text[end])) ++end;
    std::string name = text.substr(at + 1, end - at - 1);
    while (name.ends_with('.')) name.pop_back(), --end;  // the end of a sentence
    if (name.empty()) return Fault{"\"%\" has to be followed by a field (write %% for a percent sign)", at, false};
    std::optional<std::string_view> argument;
    if (end < text.size() && text[end] == '[') {
      const size_t close = text.find(']', end);
      if (close == std::string::npos) return Fault{"the bracket behind \"" + name + "\" is not closed", end, false};
      argument = std::string_view(text).substr(end + 1, close - end - 1);
      end = close + 1;
    }
    Fault fault{{}, at, false};
    auto use = find_field(name, argument, fault.message, fault.unknown);
    if (!use) return fault;
    const auto same = std::find_if(output.uses_.begin(), output.uses_.end(),
                                   [&](const FieldUse& u) { return u.text() == use->text(); });
    const auto place = static_cast<size_t>(same - output.uses_.begin());
    if (same == output.uses_.end()) output.uses_.push_back(*use);
    output.parts_.push_back({std::move(literal), *use, place});
    literal.clear();
    at = end;
  }
  if (!literal.empty()) output.parts_.push_back({std::move(literal), {}, 0});
  return output;
}

void Output::render(const Context& context, Scratch& scratch, std::string& message,
                    std::vector<std::pair<std::string, std::string>>& fields) const {
  fields.reserve(uses_.size());
  for (const FieldUse& use : uses_) fields.emplace_back(use.text(), read(use, context, scratch));
  for (const Part& part : parts_) {
    message += part.text;
    if (part.use.field == nullptr) continue;
    const std::string& value = fields[part.name].second;
    message += value == missing ? stand_in(part.use, context) : value;
  }
  if (message.size() > text_max) message.resize(text_max);
}

}  // namespace shrike::scoring
