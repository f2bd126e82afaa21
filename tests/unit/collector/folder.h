#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace shrike::test {

/// A folder of a test's own.
class Folder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "shrike-collector-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  std::string dir;
};

}  // namespace shrike::test
