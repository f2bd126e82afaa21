#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "common/base/result.h"

namespace shrike::probe {

/// Owns one memory mapping. It is not there in a child after fork(): a child must not empty its parent's rings.
class Mapping {
 public:
  /// Maps `size` bytes of `fd` at `offset`, shared. Errors: mmap's.
  static Result<Mapping> of(int fd, size_t size, off_t offset, bool writable) {
    void* at = ::mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
    if (at == MAP_FAILED) return errno_error("mmap");
    static_cast<void>(::madvise(at, size, MADV_DONTFORK));
    return Mapping(at, size);
  }
  Mapping(Mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      unmap();
      at_ = std::exchange(other.at_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { unmap(); }

  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  Mapping(void* at, size_t size) : at_(at), size_(size) {}
  void unmap() {
    if (at_ != nullptr) ::munmap(at_, size_);
  }
  void* at_;
  size_t size_;
};

}  // namespace shrike::probe
