#include "scoring/rules/operand.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace shrike::scoring {
namespace {

// The type of a call's values, or why it cannot be called with these parts.
std::string check_parts(Operand& call) {
  const std::string name = std::string(function_name(call.function)) + "()";
  const auto& parts = call.parts;
  const auto texts = [&] {
    return std::all_of(parts.begin(), parts.end(), [](const OperandPtr& part) { return part->type == Type::text; });
  };
  const bool any_list = std::any_of(parts.begin(), parts.end(), [](const OperandPtr& part) { return part->list; });
  switch (call.function) {
    case Function::list:
      call.list = true;
      if (any_list) return "a list cannot stand in a list";
      return {};
    case Function::join:
      if (parts.size() != 2) return name + " takes a separator and a list";
      if (parts[0]->list || parts[0]->type != Type::text) return name + " takes a text as its separator";
      return parts[1]->list ? "" : name + " takes a list as its second argument: join(\"-\", (proc.name, fd.name))";
    case Function::concat:
      if (parts.size() < 2) return name + " takes at least two texts";
      return any_list ? name + " takes texts, not lists" : "";
    case Function::getopt:
      call.list = call.option == 0;
      if (parts.size() != 2) return name + " takes a list of arguments and the options it knows: \"ab:\"";
      if (!parts[0]->list) return name + " takes a list as its first argument: getopt(proc.arg, \"ab:\")";
      return parts[1]->list || !texts() ? name + " takes texts" : "";
    case Function::length:
      if (parts.size() != 1) return name + " takes one argument";
      if (!texts() && !any_list) return name + " takes a text or a list";
      call.type = Type::number;
      return {};
    default:
      if (parts.size() != 1) return name + " takes one argument";
      call.list = any_list;
      return texts() ? "" : name + " takes a text";
  }
}

void set_key(Operand& operand) {
  if (operand.is_field()) {
    operand.key = operand.use.text();
  } else if (operand.kind == Operand::Kind::text) {
    // The length keeps texts with quotes in them apart.
    operand.key = "\"" + std::to_string(operand.text.size()) + ":" + operand.text + "\"";
  } else {
    operand.key = operand.function == Function::list ? "(" : std::string(function_name(operand.function)) + "(";
    for (const OperandPtr& part : operand.parts) {
      if (&part != &operand.parts.front()) operand.key += ", ";
      operand.key += part->key;
    }
    operand.key += ")";
    if (operand.option != 0) ((operand.key += "[") += operand.option) += "]";
  }
}

}  // namespace

std::variant<OperandPtr, Fault> bind_operand(const Expression& expression) {
  Operand out;
  Fault fault{{}, expression.offset, false};
  switch (expression.kind) {
    case Expression::Kind::text:
      out.kind = Operand::Kind::text;
      out.text = expression.text;
      out.cost = 0;
      break;
    case Expression::Kind::field: {
      const auto argument = expression.argument ? std::optional<std::string_view>(*expression.argument) : std::nullopt;
      const auto use = find_field(expression.text, argument, fault.message, fault.unknown);
      if (!use) return fault;
      out.use = *use;
      out.type = use->field->type;
      out.list = use->field->list && use->index < 0;
      out.cost = use->field->cost;
      break;
    }
    case Expression::Kind::call:
      out.kind = Operand::Kind::call;
      out.function = expression.function;
      out.cost = 2;
      for (const Expression& part : expression.parts) {
        auto bound = bind_operand(part);
        if (auto* wrong = std::get_if<Fault>(&bound)) return std::move(*wrong);
        out.parts.push_back(std::get<OperandPtr>(std::move(bound)));
        out.cost += out.parts.back()->cost;
      }
      if (expression.argument && expression.argument->size() != 1)
        return Fault{"getopt() takes one option's letter in brackets", expression.offset, false};
      if (expression.argument) out.option = expression.argument->front();
      fault.message = check_parts(out);
      if (!fault.message.empty()) return fault;
      break;
  }
  set_key(out);
  return OperandPtr(std::make_shared<const Operand>(std::move(out)));
}

bool has_fields(const Operand& operand, EventKind kind) {
  if (operand.is_field()) return reader_for(operand.use, kind).has_value();
  return std::all_of(operand.parts.begin(), operand.parts.end(),
                     [&](const OperandPtr& part) { return has_fields(*part, kind); });
}

bool evaluate(const Operand& operand, const Context& context, std::vector<Value>& out) {
  if (operand.kind == Operand::Kind::text) {
    out.push_back({operand.text, 0});
    return true;
  }
  if (operand.is_field()) {
    const auto reader = reader_for(operand.use, context.event.kind);
    if (!reader) return false;
    const size_t before = out.size();
    Values values(out);
    reader->read(context, values);
    return out.size() != before;
  }
  std::vector<std::vector<Value>> parts(operand.parts.size());
  std::vector<Given> given;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!evaluate(*operand.parts[i], context, parts[i])) return false;
    given.push_back(parts[i].empty() ? Given(&nothing_in_it, 0) : Given(parts[i]));
  }
  return apply(operand, given, context.arena, out);
}

std::string_view shown(Type type, const Value& value, Arena& arena) {
  switch (type) {
    case Type::text:
      break;
    case Type::number:
      return arena.decimal(value.number);
    case Type::boolean:
      return value.number != 0 ? "true" : "false";
    case Type::address: {
      std::array<char, INET6_ADDRSTRLEN> room{};
      const int family = value.text.size() == 4 ? AF_INET : AF_INET6;
      if ((value.text.size() != 4 && value.text.size() != 16) ||
          inet_ntop(family, value.text.data(), room.data(), room.size()) == nullptr)
        return {};
      return arena.keep(room.data());
    }
  }
  return value.text;
}

}  // namespace shrike::scoring
