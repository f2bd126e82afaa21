#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike {

/// `paths` with each folder replaced by the files below it, at any depth, whose names end in one of `endings`, in the
/// order of their paths; links to folders are not followed. Everything else stays as it is, unlooked at. Errors: a
/// folder that cannot be read, that holds no such file, or holds more than 10000.
Result<std::vector<std::string>> files_of_folders(const std::vector<std::string>& paths,
                                                  const std::vector<std::string_view>& endings);

}  // namespace shrike
