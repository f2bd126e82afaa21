// Which literals have to stand in a text, and where, for a check to hold.

#include <algorithm>
#include <array>
#include <cstring>

#include "scoring/rules/literal_index.h"

namespace shrike::scoring {
namespace {

constexpr size_t anywhere_min = 2;  // characters; shorter ones are found in everything
constexpr size_t end_max = 62;      // of a prefix or suffix that is looked up by its length

std::string folded(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// What stands before the last slash.
std::string_view folder_of(std::string_view text) {
  const size_t slash = text.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : text.substr(0, slash);
}

// The longest piece of a pattern in which every character stands for itself.
std::string_view longest_piece(std::string_view pattern, std::string_view special) {
  std::string_view best;
  while (!pattern.empty()) {
    const size_t end = std::min(pattern.find_first_of(special), pattern.size());
    if (end > best.size()) best = pattern.substr(0, end);
    pattern.remove_prefix(std::min(end + 1, pattern.size()));
  }
  return best;
}

// A text that everything a regular expression matches contains; empty when none is sure. Groups, classes and escapes
// of classes end a piece; a character that may be missing is not part of one.
std::string literal_in_regex(std::string_view regex) {
  bool ignore_case = false;
  while (regex.starts_with("(?i)") || regex.starts_with("(?s)") || regex.starts_with("^")) {
    ignore_case = ignore_case || regex.starts_with("(?i)");
    regex.remove_prefix(regex.front() == '^' ? 1 : 4);
  }
  std::string best, now;
  const auto end_piece = [&] {
    if (now.size() > best.size()) best = now;
    now.clear();
  };
  int depth = 0;
  for (size_t at = 0; at < regex.size(); ++at) {
    const char c = regex[at];
    if (ignore_case && std::string_view("kKsS").find(c) != std::string_view::npos) {
      end_piece();  // RE2 lets the Kelvin sign and the long s pass for these
    } else if (c == '\\') {
      if (++at == regex.size()) return {};
      const char escaped = regex[at];
      const bool letter = (escaped >= 'a' && escaped <= 'z') || (escaped >= 'A' && escaped <= 'Z') ||
                          (escaped >= '0' && escaped <= '9');
      if (letter && escaped != 'b' && escaped != 'B' && std::string_view("dDsSwW").find(escaped) == std::string::npos)
        return {};  // \Q, \x41, \p{Greek}: not worth telling apart
      if (letter || depth != 0) {
        end_piece();
      } else {
        now += escaped;
      }
    } else if (c == '(') {
      if (regex.substr(at).starts_with("(?") && !regex.substr(at).starts_with("(?:")) return {};
      ++depth;
      end_piece();
    } else if (c == ')') {
      --depth;
      end_piece();
    } else if (c == '|') {
      if (depth == 0) return {};
      end_piece();
    } else if (c == '[') {
      const size_t close = regex.find(']', at + (regex.substr(at).starts_with("[^") ? 3 : 2));
      if (close == std::string_view::npos || regex.substr(at, close - at).find("[:") != std::string_view::npos)
        return {};
      at = close;
      end_piece();
    } else if (c == '?' || c == '*' || c == '{') {
      if (!now.empty()) now.pop_back();
      end_piece();
      if (c == '{') at = std::min(regex.find('}', at), regex.size() - 1);
    } else if (c == '.' || c == '+' || c == '^' || c == '$') {
      end_piece();
    } else if (depth == 0) {
      now += c;
    }
  }
  end_piece();
  return best;
}

// How often a literal will be found, roughly: 1 is in every event.
double weight_of(std::string_view text, bool end_or_inside) {
  const auto size = static_cast<double>(text.size());
  return end_or_inside ? std::min(1.0, 1.2 / (size * size)) : 0.02;
}

// Fields that have a few values, most of them often.
bool few_values(const Operand& operand) {
  if (!operand.is_field()) return false;
  static constexpr auto names = std::to_array<std::string_view>(
      {"evt.type",       "syscall.type",  "evt.kind",       "evt.res",        "evt.dir",           "evt.source",
       "fd.type",        "fd.typechar",   "fd.l4proto",     "fd.sockfamily",  "user.name",         "group.name",
       "user.loginname", "container.id",  "container.name", "container.type", "container.full_id", "user.uid",
       "group.gid",      "user.loginuid", "proc.tty"});
  const std::string_view name = operand.use.field->name;
  static constexpr auto arguments = std::to_array<std::string_view>(
      {"flags", "mode", "res", "fd", "prot", "domain", "type", "proto", "request", "cmd", "op", "option", "sig"});
  if (name == "evt.arg") return std::find(arguments.begin(), arguments.end(), operand.use.argument) != arguments.end();
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

// Adds the literal of one text; none when nothing has to stand in what the check holds of.
void LiteralIndex::key_of_text(Operator op, std::string_view text, Part part, std::vector<Key>& keys) {
  const auto key = [&](Place place, std::string_view literal, double weight, bool whole_check = false) {
    keys.push_back({place, folded(literal), {}, weight, whole_check && part == Part::whole});
  };
  const auto inside = [&](std::string_view literal, bool whole_check = false) {
    if (literal.size() >= anywhere_min) key(anywhere, literal, weight_of(literal, true), whole_check);
  };
  const Place all = part == Part::whole ? whole : part == Part::directory ? directory : last;
  switch (op) {
    case Operator::equal:
    case Operator::in:
    case Operator::intersects:
      return key(all, text, weight_of(text, false), true);
    case Operator::pmatch: {
      if (part != Part::whole || text.find_first_of("*?[") != std::string_view::npos) return;
      while (text.size() > 1 && text.back() == '/') text.remove_suffix(1);
      if (text != "/" && !text.empty()) key(folder, text, weight_of(text, true) * 2);
      return;
    }
    case Operator::startswith:
    case Operator::bstartswith: {
      if (part != Part::whole) return inside(text);
      const std::string_view above = folder_of(text);
      if (above.size() * 2 > text.size()) return key(folder, above, weight_of(text, true) * 2);
      if (!text.empty() && text.size() <= end_max) key(prefix, text, weight_of(text, true), true);
      return;
    }
    case Operator::endswith: {
      if (part == Part::directory) return inside(text);
      const size_t slash = text.rfind('/');
      if (slash != std::string_view::npos && slash + 1 < text.size())
        return key(last, text.substr(slash + 1), weight_of(text, false));
      if (!text.empty() && text.size() <= end_max) key(suffix, text, weight_of(text, true), true);
      return;
    }
    case Operator::contains:
    case Operator::icontains:
    case Operator::bcontains: {
      // "/tmp/" is the name of a folder; a longer text is found more seldom as a whole than any name in it.
      const bool one_name = text.size() > 2 && text.find('/') == 0 && text.find('/', 1) == text.size() - 1;
      if (one_name && part == Part::whole)
        return key(name, text.substr(1, text.size() - 2), weight_of(text, false), true);
      return inside(text, true);
    }
    case Operator::glob:
    case Operator::iglob: {
      if (text.find('\\') != std::string_view::npos) return;
      const size_t special = text.find_first_of("*?[");
      if (special == std::string_view::npos) return key(all, text, weight_of(text, false));
      const std::string_view above = folder_of(text.substr(0, special));
      const std::string_view piece = text.find('[') == std::string_view::npos ? longest_piece(text, "*?") : "";
      if (part == Part::whole && above.size() > 1 && piece.size() < above.size() + 2)
        return key(folder, above, weight_of(above, true) * 2);
      return inside(piece);
    }
    case Operator::regex:
    case Operator::search:
      return inside(literal_in_regex(text));
    default:
      return;
  }
}

// False: nothing can be named for one of the check's values, any of which would be enough.
bool LiteralIndex::keys_of(const Check& check, Part part, std::vector<Key>& keys) {
  if (check.right != nullptr || check.op == Operator::exists || check.op == Operator::not_equal) return false;
  const double common = few_values(*check.left) ? 0.5 : 0;  // found in half of all events
  if (check.type == Type::number) {
    if (check.op != Operator::equal && check.op != Operator::in && check.op != Operator::intersects) return false;
    for (const int64_t number : check.numbers) {
      char bytes[sizeof number];
      std::memcpy(bytes, &number, sizeof number);
      keys.push_back(
          {whole, folded({bytes, sizeof bytes}), {}, std::max(common, number == 0 || number == 1 ? 0.5 : 0.05)});
    }
    return true;
  }
  if (check.type != Type::text) return false;
  for (const std::string& text : check.texts) {
    const size_t before = keys.size();
    key_of_text(check.op, text, part, keys);
    if (keys.size() == before) return false;
    keys.back().weight = std::max(keys.back().weight, common);
  }
  return true;
}

bool LiteralIndex::add(const Check& check, Part part, bool case_ignored, uint32_t number, double& weight) {
  std::vector<Key> keys;
  if (!keys_of(check, part, keys)) return false;
  numbers_ = check.type == Type::number;
  weight = 0;
  // Of several keys of one text, or texts that all have to pass, none says enough.
  const bool one_is_enough = check.type == Type::text && keys.size() == check.texts.size() &&
                             (check.quantity == Quantity::none || check.quantity == Quantity::any_of);
  for (size_t i = 0; i < keys.size(); ++i) {
    Key& key = keys[i];
    weight += key.weight;
    const bool sure = one_is_enough && case_ignored && key.whole_check &&
                      (check.op == Operator::icontains || key.text == check.texts[i]);
    key.numbers.push_back(sure ? number | certain : number);
    keys_.push_back(std::move(key));
  }
  return true;
}

}  // namespace shrike::scoring
