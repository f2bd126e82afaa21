#include "scoring/sigma/item.h"

#include <algorithm>

namespace shrike::scoring::sigma {
namespace {

using What = Comparand::What;
constexpr size_t patterns_max = 20000;

class Modifying {
 public:
  explicit Modifying(const Item& item) : item_(item) {}

  std::variant<Comparand, std::string> apply() {
    for (const Item::Value& value : item_.values) {
      out_.texts.push_back(value.text);
      if (value.null) {
        out_.patterns.emplace_back();
      } else {
        out_.patterns.push_back({Pattern::parse(value.text)});
      }
    }
    for (const std::string& modifier : item_.modifiers) {
      modify(modifier);
      if (!wrong_.empty()) return "\"" + item_.key() + "\": " + wrong_;
    }
    if (out_.what == What::regex) {
      for (std::string& text : out_.texts)
        if (!flags_.empty()) text.insert(0, "(?" + flags_ + ")");
    } else if (!flags_.empty()) {
      return "\"" + item_.key() + "\": modifiers i, m and s belong behind re";
    }
    return std::move(out_);
  }

 private:
  void modify(const std::string& name) {
    if (name == "all") {
      out_.all = true;
    } else if (name == "cased") {
      out_.cased = true;
    } else if (name == "neq") {
      out_.negated = true;
    } else if (name == "i" || name == "m" || name == "s") {
      flags_ += name;
    } else if (name == "contains" || name == "startswith" || name == "endswith") {
      place(name);
    } else if (name == "base64" || name == "base64offset" || name == "wide" || name == "utf16le" || name == "utf16be" ||
               name == "utf16") {
      code(name);
    } else if (name == "windash") {
      dashes();
    } else if (name == "re" || name == "ignorecase") {
      become(What::regex, name);
      if (name == "ignorecase") wrong_ = "modifier \"ignorecase\" is written i, behind re";
    } else if (name == "cidr") {
      become(What::network, name);
    } else if (name == "exists") {
      become(What::exists, name);
    } else if (name == "fieldref") {
      become(What::field, name);
    } else if (name == "lt" || name == "lte" || name == "gt" || name == "gte") {
      become(What::order, name);
      out_.op = name == "lt"    ? Operator::less
                : name == "lte" ? Operator::less_equal
                : name == "gt"  ? Operator::greater
                                : Operator::greater_equal;
    } else if (name == "expand") {
      wrong_ = "modifier \"expand\" needs values for placeholders, which Shrike is not given";
    } else {
      wrong_ = "unknown modifier \"" + name + "\"";
    }
  }

  void become(What what, const std::string& name) {
    if (out_.what != What::patterns) wrong_ = "modifier \"" + name + "\" does not go with those before it";
    out_.what = what;
  }

  void place(const std::string& name) {
    if (out_.what == What::field) {
      out_.op = name == "contains"     ? Operator::contains
                : name == "startswith" ? Operator::startswith
                                       : Operator::endswith;
      return;
    }
    if (out_.what != What::patterns) {
      wrong_ = "modifier \"" + name + "\" does not go with those before it";
      return;
    }
    for (auto& value : out_.patterns) {
      for (Pattern& pattern : value) {
        if (name != "startswith") pattern.add_any_before();
        if (name != "endswith") pattern.add_any_behind();
      }
    }
  }

  void code(const std::string& name) {
    for (auto& value : out_.patterns) {
      std::vector<Pattern> coded;
      for (const Pattern& pattern : value) {
        if (pattern.has_wildcards() || out_.what != What::patterns) {
          wrong_ = "modifier \"" + name +
                   "\" takes a plain text, without wildcards, and stands before contains and its like";
          return;
        }
        const std::string& text = pattern.text();
        if (name == "base64") {
          coded.push_back(Pattern::literal(base64(text)));
        } else if (name == "base64offset") {
          for (const std::string& one : base64_offsets(text)) coded.push_back(Pattern::literal(one));
        } else {
          coded.push_back(Pattern::literal((name == "utf16" ? "\xff\xfe" : "") + utf16(text, name == "utf16be")));
        }
      }
      value = std::move(coded);
    }
    bound();
  }

  void dashes() {
    for (auto& value : out_.patterns) {
      std::vector<Pattern> written;
      for (const Pattern& pattern : value) {
        const std::vector<Pattern> some = windash(pattern);
        if (some.empty()) wrong_ = "modifier \"windash\" meets more dashes than can be tried";
        written.insert(written.end(), some.begin(), some.end());
      }
      value = std::move(written);
    }
    bound();
  }

  void bound() {
    size_t count = 0;
    for (const auto& value : out_.patterns) count += value.size();
    if (count > patterns_max) wrong_ = "more than 20000 values with its modifiers";
  }

  const Item& item_;
  Comparand out_;
  std::string flags_, wrong_;
};

}  // namespace

std::variant<Comparand, std::string> apply_modifiers(const Item& item) { return Modifying(item).apply(); }

}  // namespace shrike::scoring::sigma
