#pragma once
// What a check compares, bound: a field, a text of the rule, or a function of other operands.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "scoring/rules/field.h"
#include "scoring/rules/syntax.h"

namespace shrike::scoring {

/// How many parts a call can have.
inline constexpr size_t operand_parts_max = 64;

struct Operand;
using OperandPtr = std::shared_ptr<const Operand>;

struct Operand {
  enum class Kind : uint8_t { field, text, call };
  Kind kind = Kind::field;
  FieldUse use;      ///< field
  std::string text;  ///< text
  Function function = Function::list;
  char option = 0;  ///< getopt: the one option asked for; 0: all of them
  std::vector<OperandPtr> parts;
  Type type = Type::text;
  bool list = false;  ///< many values that belong together: `in` asks for all, `intersects` for any
  std::string key;    ///< same text: same values ("tolower(fd.name)")
  unsigned cost = 1;

  [[nodiscard]] bool is_field() const { return kind == Kind::field; }
};

/// Finds fields, checks what functions are given.
std::variant<OperandPtr, Fault> bind_operand(const Expression& expression);

/// Whether every field it needs is there in some event of that kind.
bool has_fields(const Operand& operand, EventKind kind);

/// Calls `visit(FieldUse)` for every field in it.
template <class Visit>
void each_field(const Operand& operand, const Visit& visit) {
  if (operand.is_field()) visit(operand.use);
  for (const OperandPtr& part : operand.parts) each_field(*part, visit);
}

/// The values of an operand in one event. No pointer: it is missing; a pointer and no size: a list without anything.
using Given = std::span<const Value>;
inline const Value nothing_in_it{};

/// Appends the values of a call to `out`, given those of its parts, none of which may point into `out`. False: missing.
bool apply(const Operand& call, std::span<const Given> parts, Arena& arena, std::vector<Value>& out);

/// All of it, without any cache: for outputs. `out` is not cleared. False: missing.
bool evaluate(const Operand& operand, const Context& context, std::vector<Value>& out);

/// A value as text ("93.184.216.34", "true", "7").
std::string_view shown(Type type, const Value& value, Arena& arena);

}  // namespace shrike::scoring
