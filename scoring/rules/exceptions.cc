// A rule's exceptions become text behind its condition: `and not (field op value and ...)` for each of their values.

#include "scoring/rules/definitions.h"

namespace shrike::scoring {
namespace {

std::string quoted(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string operand(const std::vector<ScalarPtr>& values, bool list) {
  if (!list) return values.empty() ? "\"\"" : quoted(values.front()->value);
  std::string out = "(";
  for (const ScalarPtr& value : values) {
    if (out.size() > 1) out += ", ";
    // Lists may be named inside a list; they are told by having no blank and no quote, and are substituted later.
    out += value->value.find_first_of(" \"'(),=") == std::string::npos && !value->value.empty() ? value->value
                                                                                                : quoted(value->value);
  }
  return out + ")";
}

// `startswith oneof` and its like take one too.
bool takes_list(const std::string& comp) {
  return comp == "in" || comp == "pmatch" || comp == "intersects" || comp.ends_with("of");
}

}  // namespace

SourceText Definitions::with_exceptions(const RuleDefinition& rule) const {
  if (rule.exceptions.empty()) return rule.condition;
  SourceText out;
  out.append_made("(", rule.condition, 0);
  out.append(rule.condition);
  out.append_made(")", rule.condition, 0);
  for (const Exception& exception : rule.exceptions) {
    if (exception.values.empty()) continue;
    std::string text;
    if (exception.single) {
      const std::string comp = exception.comps.empty() ? "in" : exception.comps.front()->value;
      std::vector<ScalarPtr> all;
      for (const auto& tuple : exception.values)
        for (const auto& values : tuple) all.insert(all.end(), values.begin(), values.end());
      if (takes_list(comp)) {
        text = exception.fields.front()->value + " " + comp + " " + operand(all, true);
      } else {
        for (const ScalarPtr& value : all)
          text +=
              (text.empty() ? "" : " or ") + exception.fields.front()->value + " " + comp + " " + quoted(value->value);
      }
    } else {
      for (const auto& tuple : exception.values) {
        std::string all;
        for (size_t i = 0; i < exception.fields.size() && i < tuple.size(); ++i) {
          const std::string comp = i < exception.comps.size() ? exception.comps[i]->value : "=";
          all += (all.empty() ? "" : " and ") + exception.fields[i]->value + " " + comp + " " +
                 operand(tuple[i], takes_list(comp));
        }
        // A tuple that does not fit its fields must not turn into an exception for everything.
        if (tuple.size() != exception.fields.size()) all = "the exception's values and fields differ in number";
        text += (text.empty() ? "(" : " or (") + all + ")";
      }
    }
    out.append_made(" and not (" + text + ")", exception.name);
  }
  return out;
}

}  // namespace shrike::scoring
