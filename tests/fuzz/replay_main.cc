// Runs a fuzz target over every file of the folders and files it is given; fails when there is none.

#include <cstdint>
#include <cstdio>
#include <filesystem>

#include "common/base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {
int run(const std::filesystem::path& path) {
  auto input = shrike::read_file(path.string());
  if (!input) {
    std::fprintf(stderr, "%s\n", input.error().message.c_str());
    return 0;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input->data()), input->size());
  return 1;
}
}  // namespace

int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) count += run(entry.path());
    } else {
      count += run(argv[i]);
    }
  }
  std::printf("%d inputs\n", count);
  return count > 0 ? 0 : 1;
}
