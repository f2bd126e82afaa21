#pragma once
// The only way to the program's memory: bounded copies that fault pages in as the program's own access would. Addresses
// and lengths are the program's and may be anything. What is read is a copy: whoever checks it, uses that copy.

#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "sandbox/microvm/kernel/address_space.h"

namespace shrike::sandbox::microvm {

/// Most that one call reads or writes; longer ones are cut, as Linux may.
inline constexpr uint64_t transfer_most = 1u << 20;
inline constexpr size_t path_most = 4096;

struct Slice {
  uint64_t address = 0;
  uint64_t length = 0;
};

class UserMemory {
 public:
  explicit UserMemory(AddressSpace& space) : space_(&space) {}

  /// All of `out`, or nothing that counts. False: EFAULT.
  [[nodiscard]] bool read(uint64_t address, std::span<std::byte> out) const;
  [[nodiscard]] bool write(uint64_t address, std::span<const std::byte> in) const;
  /// As much as can be, from the start on; how many bytes.
  [[nodiscard]] size_t read_some(uint64_t address, std::span<std::byte> out) const;
  [[nodiscard]] size_t write_some(uint64_t address, std::span<const std::byte> in) const;

  /// A text that ends in NUL within `most` bytes (NUL included). 0, -EFAULT or -ENAMETOOLONG (`out`: what there is).
  int64_t text(uint64_t address, size_t most, std::string& out) const;
  /// A path: -ENOENT when it is empty is the caller's to say.
  int64_t path(uint64_t address, std::string& out) const { return text(address, path_most, out); }
  /// `count` entries of an iovec: -EINVAL (more than 1024, a length that is negative, a sum beyond SSIZE_MAX), -EFAULT.
  /// The lengths are cut so that their sum is at most transfer_most.
  int64_t slices(uint64_t address, uint64_t count, std::vector<Slice>& out) const;
  /// Bytes of all slices, or up to the first that cannot be read.
  [[nodiscard]] std::vector<std::byte> gather(const std::vector<Slice>& slices, bool& whole) const;
  /// `in` over the slices; how much of it was written.
  [[nodiscard]] size_t scatter(const std::vector<Slice>& slices, std::span<const std::byte> in) const;

  template <class T>
  [[nodiscard]] bool get(uint64_t address, T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return read(address, std::as_writable_bytes(std::span(&value, 1)));
  }
  template <class T>
  [[nodiscard]] bool put(uint64_t address, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return write(address, std::as_bytes(std::span(&value, 1)));
  }
  /// The same where a null pointer means that the program does not want to know.
  template <class T>
  [[nodiscard]] bool put_if(uint64_t address, const T& value) const {
    return address == 0 || put(address, value);
  }
  /// `count` values, `most` at most: -EINVAL, -EFAULT.
  template <class T>
  int64_t list(uint64_t address, uint64_t count, size_t most, std::vector<T>& out) const {
    if (count > most) return -EINVAL;
    out.resize(count);
    return read(address, std::as_writable_bytes(std::span(out))) ? 0 : -EFAULT;
  }

  /// Our memory for the aligned 32-bit word at `address`, and what names it in every address space that shares it; null
  /// where a fault would be (futexes).
  uint32_t* word(uint64_t address, bool write) const;

 private:
  AddressSpace* space_;
};

}  // namespace shrike::sandbox::microvm
