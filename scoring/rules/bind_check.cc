// From a check as it was written to one that can be asked: field, types and values.

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "scoring/rules/check.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {
namespace {

// Of one expression with what matching it needs: rules of others may have thousands, each made to be as large as it
// can.
constexpr int64_t regex_max_bytes = 1 << 20;

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

bool is_order(Operator op) {
  return op == Operator::less || op == Operator::less_equal || op == Operator::greater || op == Operator::greater_equal;
}

// Texts have an order only among fields: a rule's own text behind "<" is a mistake.
bool allowed(Type type, Operator op, bool with_field) {
  if (op == Operator::equal || op == Operator::not_equal || op == Operator::in || op == Operator::intersects ||
      op == Operator::exists)
    return true;
  return is_order(op) ? type == Type::number || (type == Type::text && with_field) : type == Type::text;
}

// Ports may be named as /etc/services has them; these are the ones rules name.
std::optional<int64_t> port_named(std::string_view name) {
  struct Service {
    std::string_view name;
    int64_t port;
  };
  static constexpr auto services = std::to_array<Service>({{"ftp", 21},
                                                           {"ssh", 22},
                                                           {"telnet", 23},
                                                           {"smtp", 25},
                                                           {"domain", 53},
                                                           {"http", 80},
                                                           {"pop3", 110},
                                                           {"ntp", 123},
                                                           {"imap2", 143},
                                                           {"snmp", 161},
                                                           {"ldap", 389},
                                                           {"https", 443},
                                                           {"syslog", 514},
                                                           {"ldaps", 636},
                                                           {"mysql", 3306},
                                                           {"postgresql", 5432},
                                                           {"redis", 6379}});
  const auto at = std::find_if(services.begin(), services.end(), [&](const Service& s) { return s.name == name; });
  return at == services.end() ? std::nullopt : std::optional(at->port);
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

std::optional<std::string> parse_bytes(std::string_view digits) {
  if (digits.empty() || digits.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    uint8_t byte = 0;
    const auto end = std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
    if (end.ec != std::errc{} || end.ptr != digits.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// Empty when all is well.
std::string parse_value(Check& check, const std::string& text) {
  const auto wrong = [&] {
    return "\"" + text + "\" is not " + std::string(type_name(check.type)) + ", and \"" + check.left->key +
           "\" is compared with one";
  };
  switch (check.type) {
    case Type::text:
      if (check.op == Operator::bcontains || check.op == Operator::bstartswith) {
        auto bytes = parse_bytes(text);
        if (!bytes) return "\"" + text + "\" is not an even number of hexadecimal digits";
        check.texts.push_back(std::move(*bytes));
      } else {
        check.texts.push_back(text);
      }
      return {};
    case Type::number: {
      auto value = parse_number(text);
      const bool is_port = check.left->is_field() && check.left->use.field->name.ends_with("port");
      if (!value && is_port) value = port_named(text);
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

std::string compile_regexes(Check& check) {
  if (check.op != Operator::regex && check.op != Operator::search) return {};
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_max_bytes);
  for (const std::string& text : check.texts) {
    auto regex = std::make_unique<re2::RE2>(text, options);
    if (!regex->ok()) return "wrong regular expression: " + regex->error();
    check.regexes.push_back(std::move(regex));
  }
  return {};
}

// What rejects most events comes first: a text that a LiteralIndex has looked for already costs next to nothing.
unsigned cost_of(Type type, Operator op) {
  switch (op) {
    case Operator::regex:
    case Operator::search:
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

// Why the right side cannot be compared with the left; empty when it can.
std::string check_right(const Check& check) {
  const Operand& right = *check.right;
  if (check.op == Operator::regex || check.op == Operator::pmatch || check.op == Operator::search)
    return "operator \"" + std::string(operator_name(check.op)) + "\" compares with texts only, not with a field";
  if (right.type != check.left->type)
    return "\"" + check.left->key + "\" is " + std::string(type_name(check.left->type)) + " and \"" + right.key +
           "\" is " + std::string(type_name(right.type));
  if (right.list && check.op != Operator::in && check.op != Operator::intersects)
    return "\"" + right.key + "\" is a list: compare with \"in\" or \"intersects\"";
  const auto many = [](const Operand& operand) { return operand.is_field() && operand.use.field->both; };
  if (many(*check.left) || many(right)) return "a field of either end cannot be compared with a field";
  return {};
}

}  // namespace

std::variant<CheckPtr, Fault> bind_check(const Node& node, std::string& remark) {
  Check check;
  Fault fault{{}, node.offset, false};
  auto left = bind_operand(node.left);
  if (auto* wrong = std::get_if<Fault>(&left)) return std::move(*wrong);
  check.left = std::get<OperandPtr>(std::move(left));
  check.type = check.left->type;
  check.op = node.op;
  check.quantity = node.quantity;
  const std::string name(operator_name(check.op));
  if (!allowed(check.type, check.op, node.right.has_value())) {
    fault.message = "operator \"" + name + "\" does not fit \"" + check.left->key + "\", which is " +
                    std::string(type_name(check.type));
    return fault;
  }
  if (check.left->list && check.op != Operator::in && check.op != Operator::intersects &&
      check.op != Operator::exists) {
    fault.message =
        "\"" + check.left->key + "\" is a list: \"in\", \"intersects\" and \"exists\" fit, \"" + name + "\" does not";
    return fault;
  }
  check.key = check.left->key + " " + name;
  check.cost = check.left->cost + cost_of(check.type, check.op);
  if (check.quantity != Quantity::none) check.key += " " + std::string(quantity_name(check.quantity));
  if (node.right) {
    auto right = bind_operand(*node.right);
    if (auto* wrong = std::get_if<Fault>(&right)) return std::move(*wrong);
    check.right = std::get<OperandPtr>(std::move(right));
    fault.message = check_right(check);
    if (!fault.message.empty()) return fault;
    check.key += " val(" + check.right->key + ")";
    check.cost += check.right->cost;
  }
  for (const std::string& value : node.values) {
    fault.message = parse_value(check, value);
    if (!fault.message.empty()) return fault;
    // Lengths keep different lists apart whatever their texts are.
    check.key += " " + std::to_string(value.size()) + ":" + value;
    if (check.left->is_field() && check.left->use.field->name == "evt.type" &&
        (check.op == Operator::equal || check.op == Operator::in) && !is_event_type(value))
      remark = "no event of ours has evt.type " + value;
  }
  if (check.op == Operator::in && check.texts.size() > 4) check.set = std::make_unique<TextSet>(check.texts);
  if (check.op == Operator::pmatch) check.patterns = std::any_of(check.texts.begin(), check.texts.end(), is_glob);
  fault.message = compile_regexes(check);
  if (!fault.message.empty()) return fault;
  return CheckPtr(std::make_shared<const Check>(std::move(check)));
}

}  // namespace shrike::scoring
