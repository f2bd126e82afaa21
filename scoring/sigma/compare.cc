#include "scoring/sigma/compare.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "scoring/rules/check.h"
#include "scoring/rules/match.h"

namespace shrike::scoring::sigma {
namespace {

using What = Comparand::What;

bool is_number(std::string_view text) {
  int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc{} && end.ptr == text.data() + text.size();
}

bool is_text(How how) { return how == How::text || how == How::path || how == How::folder; }
bool is_numeric(How how) { return how == How::number || how == How::user_id; }

// "10." as a prefix of an address: the network that has it.
std::optional<std::string> network_of_prefix(const std::string& text) {
  size_t dots = 0;
  for (const char c : text) {
    if (c == '.') ++dots;
    if (c != '.' && (c < '0' || c > '9')) return std::nullopt;
  }
  if (!text.ends_with('.') || dots == 0 || dots > 3) return std::nullopt;
  std::string network = text;
  for (size_t i = dots; i < 4; ++i) network += i == 3 ? "0" : "0.";
  network += "/" + std::to_string(dots * 8);
  return Network::parse(network) ? std::optional(network) : std::nullopt;
}

Expression folded(Expression inner) {
  Expression out;
  out.kind = Expression::Kind::call;
  out.function = Function::tolower;
  out.parts.push_back(std::move(inner));
  return out;
}

class Comparing {
 public:
  Comparing(const Asked& asked, const FindField& find, bool others_absent)
      : item_(asked.item),
        comparand_(asked.comparand),
        field_(asked.field),
        argument_(asked.argument),
        find_(find),
        others_absent_(others_absent) {
    fields_.push_back(expression_of(field_.ours, argument_));
    if (asked.positive && !field_.also.empty()) fields_.push_back(expression_of(field_.also, argument_));
  }

  Formula compare() {
    if (field_.how == How::hexadecimal) return hexadecimal();
    if (comparand_.what == What::exists) return exists();
    if (comparand_.what == What::field) {
      std::vector<Formula> parts;
      for (const std::string& other : comparand_.texts) parts.push_back(reference(other));
      return join(combined(), std::move(parts));
    }
    if (is_text(field_.how)) return text();
    return is_numeric(field_.how) ? number() : address();
  }

 private:
  [[nodiscard]] Node::Kind combined() const { return comparand_.all ? Node::Kind::all : Node::Kind::any; }
  [[nodiscard]] Formula fault(const std::string& why) const {
    return Formula::unavailable("\"" + item_.key() + "\": " + why, item_.position);
  }
  [[nodiscard]] Formula missing() const { return negate(checked(item_, fields_.front(), Operator::exists, {})); }
  // The same of each of our fields, of which one is enough.
  [[nodiscard]] Formula each(bool folding, Operator op, const std::vector<std::string>& values) const {
    std::vector<Formula> parts;
    for (const Expression& field : fields_)
      parts.push_back(checked(item_, folding ? folded(field) : field, op, values));
    return join(Node::Kind::any, std::move(parts));
  }

  [[nodiscard]] Formula hexadecimal() const {
    const auto possible = [](const Pattern& pattern) {
      return pattern.text().find_first_not_of("0123456789abcdefABCDEF*?") == std::string::npos;
    };
    bool any = comparand_.what != What::patterns;
    for (const auto& value : comparand_.patterns) any = any || std::any_of(value.begin(), value.end(), possible);
    if (!any) return Formula::constant(false);
    return Formula::unavailable("field \"" + item_.key() + "\": " + field_.ours, item_.position);
  }

  [[nodiscard]] Formula exists() const {
    const std::string value = item_.values.empty() ? "" : item_.values.front().text;
    if (same_ignoring_case(value, "true")) return each(false, Operator::exists, {});
    return same_ignoring_case(value, "false") ? missing() : fault("exists is true or false");
  }

  // Texts that are compared in one way are one check.
  [[nodiscard]] Formula any_of(const std::vector<Pattern>& patterns) const {
    const bool folding = !comparand_.cased && field_.how != How::path;
    std::map<Operator, std::vector<std::string>> groups;
    std::vector<Formula> parts;
    for (Pattern pattern : patterns) {
      if (folding) pattern.lower_case();
      if (field_.how == How::folder) pattern.close_folder();
      Pattern::Comparison comparison = pattern.comparison();
      if (comparison.op == Operator::exists) {
        parts.push_back(each(false, Operator::exists, {}));
      } else if (comparison.op == Operator::equal && comparison.text.empty()) {
        // What is empty is missing in our events.
        parts.push_back(missing());
        parts.push_back(each(false, Operator::equal, {""}));
      } else {
        groups[comparison.op].push_back(std::move(comparison.text));
      }
    }
    for (auto& [op, texts] : groups)
      parts.push_back(each(folding, op == Operator::equal && texts.size() > 1 ? Operator::in : op, texts));
    return join(Node::Kind::any, std::move(parts));
  }

  [[nodiscard]] Formula text() const {
    std::vector<Formula> parts;
    if (comparand_.what == What::regex) {
      if (field_.how == How::folder) return fault("our folder ends in a slash, which an expression could see");
      for (const std::string& one : comparand_.texts) parts.push_back(each(false, Operator::search, {one}));
      return join(combined(), std::move(parts));
    }
    if (comparand_.what != What::patterns) return fault("the field is a text");
    std::vector<Pattern> any;
    for (const auto& value : comparand_.patterns) {
      if (value.empty()) {
        parts.push_back(missing());
      } else if (comparand_.all) {
        parts.push_back(any_of(value));
      } else {
        any.insert(any.end(), value.begin(), value.end());
      }
    }
    if (!any.empty()) parts.push_back(any_of(any));
    return join(combined(), std::move(parts));
  }

  [[nodiscard]] Formula reference(const std::string& name) const {
    std::string argument;
    const LogField* const other = find_(name, argument);
    if (other == nullptr && others_absent_) return Formula::constant(false);
    if (other == nullptr || other->how == How::missing) return fault("field \"" + name + "\" is not in our events");
    const bool alike = (is_text(field_.how) && is_text(other->how)) ||
                       (is_numeric(field_.how) && is_numeric(other->how)) ||
                       (field_.how == How::address && other->how == How::address);
    if (!alike) return fault("field \"" + name + "\" is of another type");
    if (!is_text(field_.how) && comparand_.op != Operator::equal) return fault("the field is not a text");
    Expression left = fields_.front(), right = expression_of(other->ours, argument);
    if (is_text(field_.how) && !comparand_.cased) {
      left = folded(std::move(left));
      right = folded(std::move(right));
    }
    return checked(item_, std::move(left), comparand_.op, {}, std::move(right));
  }

  // `values` are compared as they are: one check, or one for each where all or an order is asked for.
  Formula values(std::vector<Formula> parts, const std::vector<std::string>& values, Operator op) const {
    if (comparand_.all || op != Operator::equal) {
      for (const std::string& value : values) parts.push_back(each(false, op, {value}));
    } else if (!values.empty()) {
      parts.push_back(each(false, values.size() > 1 ? Operator::in : Operator::equal, values));
    }
    return join(combined(), std::move(parts));
  }

  [[nodiscard]] Formula number() const {
    if (comparand_.what != What::patterns && comparand_.what != What::order) return fault("the field is a number");
    std::vector<Formula> parts;
    std::vector<std::string> numbers;
    for (size_t i = 0; i < comparand_.texts.size(); ++i) {
      const std::vector<Pattern>& patterns = comparand_.patterns[i];
      std::string text = comparand_.texts[i];
      if (comparand_.what == What::patterns && patterns.empty()) {
        parts.push_back(missing());
        continue;
      }
      const bool changed =
          comparand_.what == What::patterns && (patterns.size() != 1 || patterns.front().text() != text);
      if (field_.how == How::user_id && (text == "unset" || text == "4294967295")) text = "-1";
      if (changed || !is_number(text)) return fault("the field is a number, \"" + comparand_.texts[i] + "\" is none");
      numbers.push_back(std::move(text));
    }
    return values(std::move(parts), numbers, comparand_.op);
  }

  [[nodiscard]] Formula address() const {
    if (comparand_.what != What::patterns && comparand_.what != What::network) return fault("the field is an address");
    std::vector<Formula> parts;
    std::vector<std::string> networks;
    for (size_t i = 0; i < comparand_.texts.size(); ++i) {
      const std::vector<Pattern>& patterns = comparand_.patterns[i];
      std::string text = comparand_.texts[i];
      if (comparand_.what == What::patterns && patterns.empty()) {
        parts.push_back(missing());
        continue;
      }
      if (comparand_.what == What::patterns) {
        const Pattern::Comparison comparison = patterns.front().comparison();
        const auto network = comparison.op == Operator::startswith ? network_of_prefix(comparison.text) : std::nullopt;
        if (patterns.size() > 1 || (comparison.op != Operator::equal && !network))
          return fault(
              "the field is an address: whole ones, networks (cidr) and prefixes of whole numbers can be asked");
        if (network) text = *network;
      }
      if (!Network::parse(text)) return fault("\"" + text + "\" is no address");
      networks.push_back(std::move(text));
    }
    return values(std::move(parts), networks, Operator::equal);
  }

  const Item& item_;
  const Comparand& comparand_;
  const LogField& field_;
  const std::string& argument_;
  const FindField& find_;
  bool others_absent_;
  std::vector<Expression> fields_;  // the first decides what is missing
};

}  // namespace

Formula compare(const Asked& asked, const FindField& find, bool others_absent) {
  return Comparing(asked, find, others_absent).compare();
}

std::shared_ptr<const SourceText> source_at(const std::string& text, const Position& where) {
  auto scalar = std::make_shared<Scalar>();
  scalar->file_text = std::make_shared<const std::string>();
  scalar->file = where.file;
  auto out = std::make_shared<SourceText>();
  out->append_made(text, std::move(scalar));
  return out;
}

Formula checked(const Item& item, Expression left, Operator op, std::vector<std::string> values,
                std::optional<Expression> right) {
  auto node = std::make_shared<Node>();
  node->source = source_at(item.key(), item.position);
  node->left = std::move(left);
  node->op = op;
  if (values.size() > 1 && op != Operator::in) node->quantity = Quantity::any_of;
  node->values = std::move(values);
  node->right = std::move(right);
  // Bound here already, so that what cannot be asked has its reason and place.
  std::string remark;
  const auto bound = bind_check(*node, remark);
  if (const auto* const fault = std::get_if<Fault>(&bound))
    return Formula::unavailable("\"" + item.key() + "\": " + fault->message, item.position);
  return Formula::of(std::move(node));
}

Expression expression_of(const std::string& ours, const std::string& argument) {
  size_t at = 0;
  auto parsed = parse_expression(ours, at);
  Expression out;
  if (auto* const good = std::get_if<Expression>(&parsed)) out = std::move(*good);
  if (!argument.empty()) out.argument = argument;
  return out;
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace shrike::scoring::sigma
