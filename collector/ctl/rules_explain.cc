#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "collector/ctl/commands.h"
#include "collector/ctl/rules.h"
#include "common/wire/text.h"
#include "scoring/rules/explain.h"

namespace shrike::ctl {
namespace {

using nlohmann::ordered_json;
using scoring::Explanation;
using scoring::RuleStatus;

std::vector<std::string> access_names(uint32_t access) {
  // In the order of Access's bits.
  static constexpr auto names =
      std::to_array<std::string_view>({"open for reading", "open for writing", "failed open", "rename", "unlink",
                                       "link", "symlink", "mkdir", "rmdir", "chmod", "chown", "truncate", "setxattr"});
  static_assert(access_all == (1u << names.size()) - 1);
  std::vector<std::string> out;
  for (size_t bit = 0; bit < names.size(); ++bit)
    if ((access >> bit & 1) != 0) out.emplace_back(names[bit]);
  return out;
}

std::vector<std::string> kind_names(const FilterSpec& filter) {
  std::vector<std::string> out;
  for (size_t k = 0; k < event_kind_count; ++k) {
    if (!filter.kinds[k]) continue;
    const std::string name(kind_name(static_cast<EventKind>(k)));
    out.push_back(filter.success_only[k] ? name + " (when it succeeds)" : name);
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : between) + printable(part);
  return out;
}

ordered_json filter_json(const FilterSpec& filter) {
  ordered_json prefixes = ordered_json::object(), names = ordered_json::object(), objects = ordered_json::object();
  for (const auto& [prefix, access] : filter.prefixes) prefixes[prefix] = access_names(access);
  for (const auto& [name, access] : filter.names)
    names[name] = {{"anywhere", access_names(access.any)}, {"last", access_names(access.last)}};
  for (const auto& [name, set] : filter.objects)
    objects[name] = {{"access", access_names(set.access)}, {"paths", set.paths}};
  std::vector<std::string> kinds, success_only;
  for (size_t k = 0; k < event_kind_count; ++k) {
    if (!filter.kinds[k]) continue;
    kinds.emplace_back(kind_name(static_cast<EventKind>(k)));
    if (filter.success_only[k]) success_only.push_back(kinds.back());
  }
  return {{"kinds", kinds},
          {"success_only", success_only},
          {"any_path", access_names(filter.any_path)},
          {"prefixes", prefixes},
          {"names", names},
          {"objects", objects}};
}

std::string as_json(const Explanation& rule, const RuleStatus* status) {
  ordered_json kinds = ordered_json::array();
  for (const Explanation::Kind& kind : rule.kinds)
    kinds.push_back({{"kind", kind.kind},
                     {"condition", kind.condition},
                     {"gates", kind.gates},
                     {"guard", kind.guard},
                     {"begun", kind.begun},
                     {"cost", kind.cost}});
  const ordered_json json{{"rule", rule.rule},
                          {"file", status == nullptr ? "" : status->file},
                          {"line", status == nullptr ? 0 : status->line},
                          {"column", status == nullptr ? 0 : status->column},
                          {"warning", status == nullptr ? "" : status->reason},
                          {"condition", rule.condition},
                          {"fields", rule.fields},
                          {"kinds", kinds},
                          {"never", rule.never},
                          {"filter", filter_json(rule.filter)}};
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// Prints what has a heading, indented below it.
class Page {
 public:
  explicit Page(Output& out) : out_(out) {}
  void head(const std::string& text) { out_.line(out_.colour() ? "\033[1m" + text + "\033[0m" : text); }
  void item(const std::string& name, const std::string& text) {
    if (text.empty()) return;
    std::string line = "  " + name;
    line.resize(std::max<size_t>(line.size() + 1, indent), ' ');
    // Conditions are pages long with their lists and macros in them.
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(at + width, text.size());
      if (end < text.size())
        if (const size_t space = text.rfind(' ', end); space != std::string::npos && space > at) end = space;
      out_.line(line + text.substr(at, end - at));
      at = std::min(text.find_first_not_of(' ', end), text.size());
      line.assign(indent, ' ');
    }
  }

 private:
  static constexpr size_t indent = 14, width = 100;
  Output& out_;
};

std::string how_often(double begun) {
  char text[64];
  if (begun >= 1) return "every event that passes the gates";
  if (begun <= 0) return "hardly ever";
  std::snprintf(text, sizeof text, "about 1 of %.0f events that pass the gates", 1 / begun);
  return text;
}

void print_filter(Page& page, const FilterSpec& filter) {
  page.head("Leaves the kernel for it");
  page.item("kinds", joined(kind_names(filter)));
  page.item("any path", joined(access_names(filter.any_path)));
  for (const auto& [prefix, access] : filter.prefixes)
    page.item("path", printable(prefix) + "*: " + joined(access_names(access)));
  for (const auto& [name, access] : filter.names) {
    if (access.any != 0) page.item("name", printable(name) + " anywhere: " + joined(access_names(access.any)));
    if (access.last != 0) page.item("name", printable(name) + " last: " + joined(access_names(access.last)));
  }
  for (const auto& [name, set] : filter.objects)
    page.item("objects", printable(name) + " (" + joined(set.paths) + "): " + joined(access_names(set.access)));
}

void print(const Explanation& rule, const RuleStatus* status, Output& out) {
  Page page(out);
  page.head(printable(rule.rule));
  if (status != nullptr) {
    page.item("from", printable(status->file) + ":" + std::to_string(status->line));
    page.item("warning", printable(status->reason));
  }
  page.item("condition", printable(rule.condition));
  page.item("fields", joined(rule.fields));
  for (const std::string& why : rule.never) page.item("never fires", printable(why));
  for (const Explanation::Kind& kind : rule.kinds) {
    page.head("Of each " + kind.kind);
    page.item("asks", printable(kind.condition));
    page.item("gates", joined(kind.gates, "; "));
    page.item("guard", kind.guard.empty() ? "none" : "one of: " + joined(kind.guard, "; "));
    page.item("begun for", how_often(kind.begun));
    page.item("cost", std::to_string(kind.cost) + " times reading a number, when all of it is asked");
  }
  if (!rule.kinds.empty()) print_filter(page, rule.filter);
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Why there is nothing to explain.
std::string not_there(const std::string& rule, const std::vector<RuleStatus>& statuses) {
  constexpr size_t names_max = 5;
  std::vector<std::string> near;
  for (const RuleStatus& status : statuses) {
    if (status.rule == rule && status.state != RuleStatus::State::loaded) {
      const bool disabled = status.state == RuleStatus::State::disabled;
      return printable(status.file) + ":" + std::to_string(status.line) + ":" + std::to_string(status.column) +
             ": rule \"" + printable(rule) + "\" is " + (disabled ? "disabled" : "not supported") +
             (status.reason.empty() ? "" : ": " + printable(status.reason));
    }
    const bool like = !rule.empty() && lower(status.rule).find(lower(rule)) != std::string::npos;
    if (like && near.size() < names_max) near.push_back("\"" + status.rule + "\"");
  }
  std::string out = "no rule is called \"" + printable(rule) + "\"";
  if (!near.empty()) out += "; there is " + joined(near);
  return out;
}

}  // namespace

int run_rules_explain(const RulesExplainOptions& options, Output& out) {
  const auto compiled = compile_rule_files(options.files);
  if (!compiled.ok()) {
    complain(compiled.error().message);
    return exit_failed;
  }
  const auto explanation = compiled->rules.explain(options.rule);
  if (!explanation) {
    complain(not_there(options.rule, compiled->statuses));
    return exit_failed;
  }
  const auto status = std::find_if(compiled->statuses.begin(), compiled->statuses.end(), [&](const RuleStatus& one) {
    return one.rule == options.rule && one.state == RuleStatus::State::loaded;
  });
  const RuleStatus* place = status == compiled->statuses.end() ? nullptr : &*status;
  if (options.json) {
    out.line(as_json(*explanation, place));
  } else {
    print(*explanation, place, out);
  }
  return exit_ok;
}

}  // namespace shrike::ctl
