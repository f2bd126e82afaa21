#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace shrike::ctl {

/// A directory that goes with the test.
class Temporary {
 public:
  Temporary() {
    std::string name = testing::TempDir() + "/ctl-XXXXXX";
    dir_ = mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~Temporary() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  [[nodiscard]] const std::string& dir() const { return dir_; }
  /// Writes a file in it and returns its path.
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(dir_ + "/" + name) << content;
    return dir_ + "/" + name;
  }

 private:
  std::string dir_;
};

}  // namespace shrike::ctl
