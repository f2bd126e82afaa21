#pragma once
// One address space as the guest's CPU reads it: four levels of page tables in guest-physical memory. Needs no KVM.
//
// A KVM with a shadow MMU (the paravirtual one, and every one without EPT or NPT) does not see what we write to a page
// table that it has already read, and an ordinary one may have it in its TLB. To add a page or a permission is always
// safe. Everything that takes something away is kept as a `Change` until the machine has made it in a way that this KVM
// sees.

#include <cstdint>
#include <optional>
#include <vector>

#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

struct Protection {
  bool write = false;
  bool execute = false;
  bool operator==(const Protection&) const = default;
};

struct Page {
  Frame frame = 0;
  Protection protection;
};

/// Lowest and one past the highest address that a program may have mapped.
inline constexpr uint64_t user_lowest = 0x10000;
inline constexpr uint64_t user_highest = 0x7fff'ffff'f000;

class PageTable {
 public:
  /// Empty but for what every address space shares (the stub, the exception handlers). Nothing when memory is out.
  static std::optional<PageTable> create(Physical& physical);
  PageTable(PageTable&&) noexcept;
  PageTable& operator=(PageTable&&) noexcept;
  /// Gives back the tables and one use of every frame that is still mapped.
  ~PageTable();

  /// Maps the page at `address` (page-aligned, in the user range, nothing mapped there) and takes over one use of
  /// `frame`. False when there is no memory for a table.
  bool map(uint64_t address, Frame frame, Protection protection);
  /// Unmaps and gives back the use, where there is a page.
  void unmap(uint64_t address);
  void protect(uint64_t address, Protection protection);
  [[nodiscard]] std::optional<Page> find(uint64_t address) const;
  /// Calls `visit(address, page)` for each mapped page of [begin, end), in order, skipping what has no table.
  template <class Visit>
  void each(uint64_t begin, uint64_t end, Visit visit) const;

  [[nodiscard]] Frame root() const;
};

}  // namespace shrike::sandbox::microvm
