#include "scoring/rules/check.h"

#include <re2/re2.h>

#include <algorithm>

namespace shrike::scoring {
namespace {

bool text_passes(Operator op, std::string_view text, std::string_view wanted) {
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      return text == wanted;
    case Operator::not_equal:
      return text != wanted;
    case Operator::less:
      return text < wanted;
    case Operator::less_equal:
      return text <= wanted;
    case Operator::greater:
      return text > wanted;
    case Operator::greater_equal:
      return text >= wanted;
    case Operator::contains:
    case Operator::bcontains:
      return contains(text, wanted);
    case Operator::icontains:
      return contains_ignoring_case(text, wanted);
    case Operator::startswith:
    case Operator::bstartswith:
      return text.starts_with(wanted);
    case Operator::endswith:
      return text.ends_with(wanted);
    case Operator::glob:
      return glob(wanted, text, false);
    case Operator::iglob:
      return glob(wanted, text, true);
    case Operator::pmatch:
      return path_prefix(wanted, text);
    case Operator::regex:
    case Operator::search:
    case Operator::exists:
      break;
  }
  return false;
}

bool number_passes(Operator op, int64_t number, int64_t wanted) {
  switch (op) {
    case Operator::not_equal:
      return number != wanted;
    case Operator::less:
      return number < wanted;
    case Operator::less_equal:
      return number <= wanted;
    case Operator::greater:
      return number > wanted;
    case Operator::greater_equal:
      return number >= wanted;
    default:
      return number == wanted;
  }
}

}  // namespace

Check::Check() = default;
Check::Check(Check&&) noexcept = default;
Check::~Check() = default;

bool Check::passes_one(const Value& value, size_t index) const {
  switch (type) {
    case Type::address:
      return networks[index].has(value.text) != (op == Operator::not_equal);
    case Type::number:
    case Type::boolean:
      return number_passes(op, value.number, numbers[index]);
    case Type::text:
      break;
  }
  const re2::StringPiece text(value.text.data(), value.text.size());
  if (op == Operator::regex) return re2::RE2::FullMatch(text, *regexes[index]);
  if (op == Operator::search) return re2::RE2::PartialMatch(text, *regexes[index]);
  if (patterns && is_glob(texts[index])) return glob_prefix(texts[index], value.text);
  return text_passes(op, value.text, texts[index]);
}

bool Check::passes(const Value& value) const {
  if (set != nullptr) return set->has(value.text);
  const size_t count = type == Type::address ? networks.size() : type == Type::text ? texts.size() : numbers.size();
  // `!= a` of an address has one value; a list and `anyof` ask for any of theirs.
  if (count == 1) return passes_one(value, 0);
  size_t passed = 0;
  for (size_t i = 0; i < count; ++i) {
    const bool pass = passes_one(value, i);
    if (pass && (quantity == Quantity::none || quantity == Quantity::any_of)) return true;
    if (!pass && quantity == Quantity::all_of) return false;
    passed += pass ? 1 : 0;
  }
  return quantity == Quantity::all_of || (quantity == Quantity::one_of && passed == 1);
}

bool Check::compares(const Value& left_value, const Value& right_value) const {
  if (type == Type::text || type == Type::address) return text_passes(op, left_value.text, right_value.text);
  return number_passes(op, left_value.number, right_value.number);
}

bool Check::holds(Given left_values, Given right_values) const {
  if (left_values.data() == nullptr) return false;
  if (op == Operator::exists) return true;
  const auto pass = [&](const Value& value) {
    if (right == nullptr) return passes(value);
    return std::any_of(right_values.begin(), right_values.end(),
                       [&](const Value& other) { return compares(value, other); });
  };
  if (right != nullptr && right_values.data() == nullptr) return false;
  if (left_values.size() == 1) return pass(left_values.front());
  const bool both = op == Operator::not_equal && left->is_field() && left->use.field->both;
  if (both || (left->list && op == Operator::in)) return std::all_of(left_values.begin(), left_values.end(), pass);
  return std::any_of(left_values.begin(), left_values.end(), pass);
}

}  // namespace shrike::scoring
