#pragma once
// A text and files in one body: what a `detonate` command carries. The text and the sizes stand in front, so that a
// reader takes each file out of the whole without holding it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike {

inline constexpr size_t bundle_text_max_bytes = 1u << 20;
inline constexpr size_t bundle_files_max = 64;
/// Whoever has so many bytes of a bundle's beginning, or the whole, has its head.
inline constexpr size_t bundle_head_max_bytes = 16 + 8 * bundle_files_max + bundle_text_max_bytes;

/// Where what stands; offsets from the bundle's begin.
struct BundleHead {
  struct File {
    uint64_t offset = 0;
    uint64_t size = 0;
  };
  std::string text;
  std::vector<File> files;
};

/// Errors: the text or the number of files is out of bounds.
Result<std::string> encode_bundle(std::string_view text, std::span<const std::string_view> files);
/// Reads the head off `begin`, the first bytes of a bundle of `total_bytes`. Errors: no bundle; cut; sizes that are not
/// those of the whole.
Result<BundleHead> open_bundle(std::string_view begin, uint64_t total_bytes);

}  // namespace shrike
