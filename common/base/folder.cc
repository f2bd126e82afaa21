#include "common/base/folder.h"

#include <algorithm>
#include <filesystem>

namespace shrike {
namespace {

constexpr size_t files_max = 10000;

}  // namespace

Result<std::vector<std::string>> files_of_folders(const std::vector<std::string>& paths,
                                                  const std::vector<std::string_view>& endings) {
  std::vector<std::string> out;
  for (const std::string& path : paths) {
    std::error_code wrong;
    if (!std::filesystem::is_directory(path, wrong)) {
      out.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    std::filesystem::recursive_directory_iterator at(path, wrong), end;
    for (; !wrong && at != end; at.increment(wrong)) {
      const std::string file = at->path().string();
      const auto ends = [&](std::string_view ending) { return file.ends_with(ending); };
      std::error_code gone;
      if (std::any_of(endings.begin(), endings.end(), ends) && at->is_regular_file(gone)) found.push_back(file);
      if (found.size() > files_max) return Error{path + ": more than 10000 files", 0};
    }
    if (wrong) return Error{path + ": " + wrong.message(), wrong.value()};
    if (found.empty()) {
      std::string wanted;
      for (const std::string_view ending : endings) (wanted += wanted.empty() ? "*" : ", *") += ending;
      return Error{path + ": no file " + wanted + " in this folder", 0};
    }
    std::sort(found.begin(), found.end());
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

}  // namespace shrike
