#include "agent/rules_loader.h"

#include <unistd.h>

#include "agent/self_watch.h"
#include "common/base/file.h"
#include "common/base/folder.h"
#include "common/wire/keys.h"
#include "scoring/sigma/load.h"

namespace shrike::agent {
namespace {

constexpr size_t rule_file_max_bytes = 8u << 20;

/// The accesses by which a file kind is asked for; 0 for kinds that are no access to a path.
uint32_t accesses_of(EventKind kind) {
  switch (kind) {
    case EventKind::open:
      return access_open_read | access_open_write | access_open_failed;
    case EventKind::rename:
      return access_rename;
    case EventKind::unlink:
      return access_unlink;
    case EventKind::link:
      return access_link;
    case EventKind::symlink:
      return access_symlink;
    case EventKind::mkdir:
      return access_mkdir;
    case EventKind::rmdir:
      return access_rmdir;
    case EventKind::chmod:
      return access_chmod;
    case EventKind::chown:
      return access_chown;
    case EventKind::truncate:
      return access_truncate;
    case EventKind::setxattr:
      return access_setxattr;
    default:
      return 0;
  }
}

}  // namespace

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

Result<LoadedRules> load_rules(const std::vector<std::string>& files, const std::string& host_name, bool first) {
  std::vector<scoring::RuleFile> texts;
  const std::vector<std::string> paths = TRY(files_of_folders(files, scoring::rule_file_endings));
  for (const auto& file : paths) {
    std::string text = TRY(read_file(file, rule_file_max_bytes));
    texts.push_back({file, std::move(text)});
  }
  std::vector<scoring::RuleStatus> statuses;
  auto rules = TRY(scoring::compile_rules(texts, &statuses, {.hostname = host_name, .first = first}));
  return LoadedRules{std::move(rules), std::move(statuses)};
}

FilterSpec filter_for(const scoring::RuleSet& rules, const std::vector<EventKind>& extra_kinds) {
  FilterSpec filter = rules.filter();
  FilterSpec state;
  for (const EventKind kind : {EventKind::fork, EventKind::exec, EventKind::exit})
    state.kinds.set(static_cast<size_t>(kind));
  filter.merge(state);
  filter.merge(self_watch_filter());
  FilterSpec extra;
  for (const EventKind kind : extra_kinds) {
    extra.kinds.set(static_cast<size_t>(kind));
    extra.any_path |= accesses_of(kind);
  }
  filter.merge(extra);
  return filter;
}

std::string policy_digest(const scoring::RuleSet& rules, const FilterSpec& filter) {
  std::string text = "shrike policy v1";
  text += '\0';
  text += rules.digest();
  text += filter.kinds.to_string() + filter.success_only.to_string() + std::to_string(filter.any_path);
  for (const auto& [prefix, access] : filter.prefixes) text += prefix + '\0' + std::to_string(access) + '\0';
  for (const auto& [name, access] : filter.names)
    text += name + '\0' + std::to_string(access.any) + ' ' + std::to_string(access.last) + '\0';
  for (const Denial& denial : filter.denials)
    text += "deny " + denial.rule + '\0' + std::to_string(denial.sets) + ' ' + std::to_string(denial.opens) + ' ' +
            std::to_string(denial.access) + ' ' + std::to_string(denial.exec) + ' ' + std::to_string(denial.only) +
            ' ' + std::to_string(denial.exempt) + '\0';
  return std::string(as_bytes(sha256(text)));
}

}  // namespace shrike::agent
