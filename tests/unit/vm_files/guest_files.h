#pragma once
// A guest's file system with few words.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Up to `count` bytes, or the error as text.
inline std::string read_from(File& file, size_t count = 65536) {
  std::string out(count, '\0');
  const int64_t got = file.read(std::as_writable_bytes(std::span(out)), std::nullopt);
  if (got < 0) return "error " + std::to_string(-got);
  out.resize(static_cast<size_t>(got));
  return out;
}

inline int64_t write_to(File& file, std::string_view text) { return file.write(bytes_of(text), std::nullopt); }

struct GuestFiles {
  explicit GuestFiles(const std::vector<std::pair<std::string, std::string>>& below = {}, FileQuota quota = {})
      : files(memory_tree(below), quota, [this] { return now += 1000; }) {}

  uint64_t now = 1'700'000'000'000'000'000;
  FileSystem files;
  Place place{files.root(), files.root(), {}};

  FilePtr open(std::string_view path, int flags = O_RDONLY, uint32_t mode = 0644) {
    FilePtr file;
    error = files.open_at(place, nullptr, path, flags, mode, file);
    return file;
  }
  int64_t error = 0;  ///< of the last open()

  NodePtr node(std::string_view path, bool follow = true) {
    Found found;
    error = files.resolve(place, nullptr, path, follow, found);
    return found.node;
  }
  Found name(std::string_view path) {
    Found found;
    EXPECT_EQ(files.resolve_name(place, nullptr, path, found), 0) << path;
    return found;
  }
  /// All of a file, or the error as text.
  std::string text(std::string_view path) {
    const FilePtr file = open(path);
    return file ? read_from(*file) : "error " + std::to_string(-error);
  }
  int64_t write(std::string_view path, std::string_view content, int flags = O_CREAT | O_WRONLY | O_TRUNC) {
    const FilePtr file = open(path, flags);
    return file ? write_to(*file, content) : error;
  }
  uint64_t used_bytes() const { return files.account()->bytes.used(); }
  uint64_t used_nodes() const { return files.account()->nodes.used(); }
};

}  // namespace shrike::sandbox::microvm
