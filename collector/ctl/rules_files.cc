#include <unistd.h>

#include "collector/ctl/demo.h"
#include "collector/ctl/rules.h"
#include "common/base/file.h"
#include "common/base/folder.h"
#include "scoring/sigma/load.h"

namespace shrike::ctl {

Result<std::vector<scoring::RuleFile>> read_rule_files(const std::vector<std::string>& given) {
  constexpr size_t file_max_bytes = 16u << 20;
  std::vector<scoring::RuleFile> files;
  for (const std::string& path : TRY(files_of_folders(given, scoring::rule_file_endings))) {
    std::string text = TRY(read_file(path, file_max_bytes));
    files.push_back({path, std::move(text)});
  }
  return files;
}

Result<CompiledRules> compile_rule_files(const std::vector<std::string>& given) {
  const auto files = TRY(read_rule_files(given.empty() ? default_rules() : given));
  if (files.empty()) return Error{"no rule file is given, and no rules of Shrike's own are installed"};
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  std::vector<scoring::RuleStatus> statuses;
  auto rules = TRY(scoring::compile_rules(files, &statuses, {.hostname = host}));
  return CompiledRules{std::move(rules), std::move(statuses)};
}

}  // namespace shrike::ctl
