#include "scoring/rules/check.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>

#include "scoring/rules/names.h"

namespace shrike::scoring {

Check::Check() = default;
Check::Check(Check&&) noexcept = default;
Check::~Check() = default;

bool Check::passes(const Value& value) const {
  switch (type) {
    case Type::address: {
      const bool found = std::any_of(networks.begin(), networks.end(),
                                     [&](const Network& network) { return network.has(value.text); });
      return found != (op == Operator::not_equal);
    }
    case Type::number:
    case Type::boolean:
      switch (op) {
        case Operator::equal:
          return value.number == numbers.front();
        case Operator::not_equal:
          return value.number != numbers.front();
        case Operator::less:
          return value.number < numbers.front();
        case Operator::less_equal:
          return value.number <= numbers.front();
        case Operator::greater:
          return value.number > numbers.front();
        case Operator::greater_equal:
          return value.number >= numbers.front();
        default:
          return std::find(numbers.begin(), numbers.end(), value.number) != numbers.end();
      }
    case Type::text:
      break;
  }
  switch (op) {
    case Operator::equal:
      return value.text == texts.front();
    case Operator::not_equal:
      return value.text != texts.front();
    case Operator::contains:
      return contains(value.text, texts.front());
    case Operator::icontains:
      return contains_ignoring_case(value.text, texts.front());
    case Operator::startswith:
      return value.text.starts_with(texts.front());
    case Operator::endswith:
      return value.text.ends_with(texts.front());
    case Operator::glob:
      return glob(texts.front(), value.text, false);
    case Operator::iglob:
      return glob(texts.front(), value.text, true);
    case Operator::regex:
      return re2::RE2::FullMatch({value.text.data(), value.text.size()}, *regex);
    case Operator::pmatch:
      return std::any_of(texts.begin(), texts.end(),
                         [&](const auto& prefix) { return path_prefix(prefix, value.text); });
    default:  // in, intersects
      if (set != nullptr) return set->has(value.text);
      return std::any_of(texts.begin(), texts.end(), [&](const auto& text) { return text == value.text; });
  }
}

bool Check::holds(std::span<const Value> values) const {
  if (values.empty()) return false;
  if (op == Operator::exists) return true;
  if (values.size() == 1) return passes(values.front());
  const auto pass = [&](const Value& value) { return passes(value); };
  if (op == Operator::not_equal && use.field->both) return std::all_of(values.begin(), values.end(), pass);
  return std::any_of(values.begin(), values.end(), pass);
}

namespace {

std::string_view type_name(Type type) {
  switch (type) {
    case Type::text:
      return "a text";
    case Type::number:
      return "a number";
    case Type::boolean:
      return "true or false";
    case Type::address:
      return "an address";
  }
  return "";
}

bool allowed(Type type, Operator op) {
  switch (op) {
    case Operator::equal:
    case Operator::not_equal:
    case Operator::in:
    case Operator::intersects:
    case Operator::exists:
      return true;
    case Operator::less:
    case Operator::less_equal:
    case Operator::greater:
    case Operator::greater_equal:
      return type == Type::number;
    default:
      return type == Type::text;
  }
}

std::optional<int64_t> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// Empty when all is well.
std::string parse_value(Check& check, const std::string& text) {
  const auto wrong = [&] {
    return "\"" + text + "\" is not " + std::string(type_name(check.type)) + ", and \"" + check.use.text() +
           "\" is compared with one";
  };
  switch (check.type) {
    case Type::text:
      check.texts.push_back(text);
      return {};
    case Type::number: {
      const auto value = parse_number(text);
      if (!value) return wrong();
      check.numbers.push_back(*value);
      return {};
    }
    case Type::boolean:
      if (text != "true" && text != "false") return wrong();
      check.numbers.push_back(text == "true");
      return {};
    case Type::address: {
      const auto network = Network::parse(text);
      if (!network) return wrong();
      check.networks.push_back(*network);
      return {};
    }
  }
  return {};
}

// What rejects most events comes first: a text that a LiteralIndex has looked for already costs next to nothing.
unsigned cost_of(Type type, Operator op) {
  switch (op) {
    case Operator::regex:
      return 30;
    case Operator::glob:
    case Operator::iglob:
    case Operator::icontains:
      return 10;
    case Operator::contains:
      return 4;
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
    case Operator::pmatch:
    case Operator::startswith:
    case Operator::endswith:
      return type == Type::text ? 0 : 2;
    default:
      return 2;
  }
}

}  // namespace

std::variant<CheckPtr, Fault> bind_check(const Node& node, std::string& remark) {
  Check check;
  Fault fault{{}, node.offset, false};
  const auto use = find_field(node.name, node.argument ? std::optional<std::string_view>(*node.argument) : std::nullopt,
                              fault.message, fault.unknown);
  if (!use) return fault;
  check.use = *use;
  check.op = node.op;
  check.transforms = node.transforms;
  check.type = use->field->type;
  check.slot = use->text();
  for (const Transform transform : node.transforms) {
    if (check.type != Type::text) {
      fault.message = std::string(transform_name(transform)) + "() takes a text";
      return fault;
    }
    if (transform == Transform::length) check.type = Type::number;
    check.slot = std::string(transform_name(transform)) + "(" + check.slot + ")";
  }
  if (!allowed(check.type, check.op)) {
    fault.message = "operator \"" + std::string(operator_name(check.op)) + "\" does not fit \"" + check.slot +
                    "\", which is " + std::string(type_name(check.type));
    return fault;
  }
  check.key = check.slot + " " + std::string(operator_name(check.op));
  for (const std::string& value : node.values) {
    fault.message = parse_value(check, value);
    if (!fault.message.empty()) return fault;
    // Lengths keep different lists apart whatever their texts are.
    check.key += " " + std::to_string(value.size()) + ":" + value;
    if (use->field->name == "evt.type" && (check.op == Operator::equal || check.op == Operator::in) &&
        !is_event_type(value))
      remark = "no event of ours has evt.type " + value;
  }
  if (check.op == Operator::in && check.texts.size() > 4) check.set = std::make_unique<TextSet>(check.texts);
  if (check.op == Operator::regex) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto regex = std::make_unique<re2::RE2>(check.texts.front(), options);
    if (!regex->ok()) {
      fault.message = "wrong regular expression: " + regex->error();
      return fault;
    }
    check.regex = std::move(regex);
  }
  check.cost = use->field->cost + cost_of(check.type, check.op) + 2 * static_cast<unsigned>(check.transforms.size());
  return CheckPtr(std::make_shared<const Check>(std::move(check)));
}

void transform(std::span<const Transform> transforms, std::span<Value> values, Arena& arena) {
  for (Value& value : values) {
    for (const Transform step : transforms) {
      switch (step) {
        case Transform::tolower:
        case Transform::toupper: {
          char* const out = arena.take(value.text.size());
          std::transform(value.text.begin(), value.text.end(), out, [&](char c) {
            return step == Transform::tolower ? lower(c)
                   : c >= 'a' && c <= 'z'     ? static_cast<char>(c - ('a' - 'A'))
                                              : c;
          });
          value.text = {out, value.text.size()};
          break;
        }
        case Transform::basename:
          value.text = value.text.substr(value.text.rfind('/') + 1);
          break;
        case Transform::length:
          value.number = static_cast<int64_t>(value.text.size());
          break;
      }
    }
  }
}

}  // namespace shrike::scoring
