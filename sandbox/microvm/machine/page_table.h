#pragma once
// One address space as the guest's CPU reads it: four levels of page tables in guest-physical memory. Needs no KVM.
//
// A KVM with a shadow MMU (the paravirtual one, and every one without EPT or NPT) does not see what we write to a page
// table that it has already read, and an ordinary one may have it in its TLB. To add a page or a permission is always
// safe: the next access faults at most once without need. Everything that takes something away is told to Physical,
// which keeps the frame as stale until the machine has made KVM read its entries again.

#include <cstdint>
#include <optional>

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
  /// Empty but for what every address space shares: the exception handlers, in the upper half. Nothing when memory is
  /// out. `physical` must outlive the table.
  static std::optional<PageTable> create(Physical& physical);
  PageTable(PageTable&& other) noexcept;
  PageTable& operator=(PageTable&& other) noexcept;
  /// Gives back the tables and one use of every frame that is still mapped.
  ~PageTable();

  /// Maps the page at `address` (page-aligned, in the user range, nothing mapped there, else it aborts) and takes over
  /// one use of `frame`. False when there is no memory for a table; the use stays the caller's then.
  bool map(uint64_t address, Frame frame, Protection protection);
  /// Unmaps and gives back the use, where there is a page.
  void unmap(uint64_t address);
  /// Nothing where there is no page.
  void protect(uint64_t address, Protection protection);
  [[nodiscard]] std::optional<Page> find(uint64_t address) const;
  /// Calls `visit(address, page)` for each mapped page of [begin, end), in order, skipping what has no table. `visit`
  /// may unmap and protect the page it is called for.
  template <class Visit>
  void each(uint64_t begin, uint64_t end, Visit visit) const {
    if (begin < user_lowest) begin = user_lowest;
    if (end > user_highest) end = user_highest;
    for (begin &= ~(page_bytes - 1); begin < end;) {
      const Walk walk = walk_to(begin);
      if (walk.entry != nullptr && (*walk.entry & 1) != 0) visit(begin, page_of(*walk.entry));
      begin = walk.next;
    }
  }

  [[nodiscard]] Frame root() const { return root_; }

 private:
  struct Walk {
    uint64_t* entry;  ///< the lowest level's, null where a table is missing
    uint64_t next;    ///< the next address that may have another answer
  };
  PageTable(Physical& physical, Frame root) : physical_(&physical), root_(root) {}
  [[nodiscard]] uint64_t* entries(Frame table) const;
  [[nodiscard]] Walk walk_to(uint64_t address) const;
  uint64_t* make_entry(uint64_t address);
  static Page page_of(uint64_t entry);
  void destroy(Frame table, int level);
  void clear();

  Physical* physical_;
  Frame root_;  // 0: moved from
};

}  // namespace shrike::sandbox::microvm
