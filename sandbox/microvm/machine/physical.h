#pragma once
// Guest-physical memory: one mapping of ours, given out by frames of 4 KiB. Needs no KVM.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/base/result.h"

namespace shrike::sandbox::microvm {

using Frame = uint32_t;  ///< number of a page of guest-physical memory; 0 is never given out
inline constexpr uint64_t page_bytes = 4096;

class Physical {
 public:
  /// Reserves `bytes` (rounded up to 2 MiB); pages cost host memory when first touched. Errors: errno of mmap.
  static Result<Physical> create(uint64_t bytes);
  Physical(Physical&&) noexcept;
  Physical& operator=(Physical&&) noexcept;
  ~Physical();

  /// A zeroed frame with one user; nothing when all are given out.
  std::optional<Frame> allocate();
  /// One user more, one fewer; the last one gives it back. Asking for a frame that is not given out aborts.
  void share(Frame frame);
  void release(Frame frame);
  [[nodiscard]] uint32_t users(Frame frame) const;

  [[nodiscard]] std::span<std::byte, page_bytes> bytes(Frame frame);
  [[nodiscard]] std::span<const std::byte, page_bytes> bytes(Frame frame) const;
  [[nodiscard]] std::byte* host() const;  ///< of guest-physical address 0
  [[nodiscard]] uint64_t size_bytes() const;
  [[nodiscard]] uint64_t used_bytes() const;
  [[nodiscard]] uint64_t peak_bytes() const;

  /// What is given out now is the template: reset() takes back everything else and restores these frames' bytes. Only
  /// what was given out can have been written, by the guest or by us, so that nothing else is looked at.
  void keep_as_template();
  /// Back to the template. Returns how many frames were restored or zeroed.
  size_t reset();

 private:
  Physical() = default;
  // (the implementation's)
};

}  // namespace shrike::sandbox::microvm
