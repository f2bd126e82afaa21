#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// Owns anonymous, private, zeroed memory that costs nothing until touched.
class Mapping {
 public:
  /// Errors: errno of mmap.
  static Result<Mapping> create(size_t bytes) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return errno_error("mmap of " + std::to_string(bytes) + " bytes");
    return Mapping(static_cast<std::byte*>(at), bytes);
  }
  Mapping(Mapping&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), bytes_(std::exchange(other.bytes_, size_t{0})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (at_ != nullptr) ::munmap(at_, bytes_);
  }

  [[nodiscard]] std::byte* at() const { return at_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  Mapping(std::byte* at, size_t bytes) : at_(at), bytes_(bytes) {}
  std::byte* at_;
  size_t bytes_;
};

}  // namespace shrike::sandbox::microvm
