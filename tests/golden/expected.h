#pragma once
// What both kinds of golden tests share: their inputs by ending, and the comparison.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace shrike::golden {

/// The names, without their ending, of the files in `folder` that end in `extension`.
inline std::vector<std::string> inputs(const std::string& folder, const std::string& extension) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == extension) names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

/// A test's name of an input's.
inline std::string test_name(const testing::TestParamInfo<std::string>& given) {
  std::string name = given.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Holds `text` against the file `expected`; with SHRIKE_RENEW=1 writes it there instead.
inline void expect_as_before(const std::string& text, const std::string& expected) {
  if (std::getenv("SHRIKE_RENEW") != nullptr) {
    ASSERT_TRUE(write_file_atomic(expected, text));
    return;
  }
  const auto before = read_file(expected);
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_EQ(text, *before) << "if the change is meant: tests/golden/renew";
}

}  // namespace shrike::golden
