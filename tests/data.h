#pragma once
// Third-party data that tests measure with and that is no part of the project: who uses it says SHRIKE_NEED("data",
// ...).

#include <cstdlib>
#include <filesystem>

namespace shrike::test {

/// Its folder, by SHRIKE_DATA; it may not be there.
inline std::filesystem::path data_folder() {
  const char* const given = std::getenv("SHRIKE_DATA");
  return given != nullptr ? std::filesystem::path(given) : std::filesystem::path(SHRIKE_SOURCE_DIR) / "../shared/data";
}

}  // namespace shrike::test
