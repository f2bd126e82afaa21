#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

/// Owns anonymous, private, zeroed memory that costs nothing until touched.
class Mapping {
 public:
  /// `align`: a power of two. Errors: errno of mmap.
  static Result<Mapping> create(size_t bytes, size_t align = 1) {
    const size_t whole = bytes + align - 1;
    void* at = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return errno_error("mmap of " + std::to_string(bytes) + " bytes");
    return Mapping(static_cast<std::byte*>(at), whole, align);
  }
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), at_(other.at_), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (base_ != nullptr) ::munmap(base_, bytes_);
  }

  [[nodiscard]] std::byte* at() const { return at_; }

 private:
  Mapping(std::byte* base, size_t bytes, size_t align)
      : base_(base), at_(base + (align - reinterpret_cast<uintptr_t>(base) % align) % align), bytes_(bytes) {}
  std::byte* base_;
  std::byte* at_;
  size_t bytes_;
};

}  // namespace shrike::sandbox::microvm
