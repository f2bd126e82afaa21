#pragma once
// Accounts and credentials that both backends show a program: none of them is anybody's. What reaches for them shows
// itself.

#include <cstdint>
#include <string>
#include <vector>

namespace shrike::sandbox {

struct BaitFile {
  std::string path;  ///< absolute; its folders come before it
  uint32_t mode = 0644;
  std::string text;
  bool folder = false;
};

/// The same for the same `seed`, which makes what looks secret. `hostname`: as the program is told it.
std::vector<BaitFile> bait_files(const std::string& hostname, uint64_t seed);

}  // namespace shrike::sandbox
