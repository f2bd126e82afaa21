#pragma once
// The memory of one process: what is mapped where, and the pages that are there so far. Nothing is copied on write: a
// fork copies the private pages that it may change, because a fault costs a hundred times what copying a page does.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/kernel/file_pages.h"
#include "sandbox/microvm/kernel/region.h"
#include "sandbox/microvm/machine/page_table.h"

namespace shrike::sandbox::microvm {

/// What all address spaces of a job use. Outlives them.
struct MemoryPool {
  Physical& physical;
  FilePages& pages;
  uint64_t limit_bytes;
  size_t mappings = 0;  ///< of all address spaces
  size_t mappings_most = 65536;
};

enum class FaultResult : uint8_t { ok, not_mapped, not_allowed, past_end, no_memory };

/// Where things go by default; from the job's seed.
struct Layout {
  uint64_t stack_top = 0x7fff'ffff'e000;
  uint64_t mmap_top = 0x7fff'f700'0000;
  uint64_t program = 0x5555'5555'4000;
  uint64_t heap_gap = 0;  ///< between the program's end and the heap
};

class AddressSpace {
 public:
  /// Null when there is no memory for its tables.
  static std::unique_ptr<AddressSpace> create(MemoryPool& pool, const Layout& layout);
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  ~AddressSpace();

  /// Maps `length` bytes of what `wanted` says: at its `begin` when `fixed` (replacing what is there, unless `keep`),
  /// or there when that is free. Returns the address or -errno: EINVAL, ENOMEM (no room, too many), EEXIST (`keep`),
  /// EPERM.
  int64_t map(Region wanted, uint64_t length, bool fixed, bool keep = false);
  int64_t unmap(uint64_t begin, uint64_t length);
  int64_t protect(uint64_t begin, uint64_t length, Access access);
  /// mremap(2); `flags` its MREMAP_ bits.
  int64_t remap(uint64_t begin, uint64_t old_length, uint64_t new_length, uint64_t flags, uint64_t new_begin);
  /// Drops the pages of a range: private ones read as at first again.
  int64_t drop(uint64_t begin, uint64_t length);
  /// Sets a mark of each region in a range (madvise's). -ENOMEM where something is not mapped, or there are too many.
  int64_t mark(uint64_t begin, uint64_t length, bool Region::*what, bool value);
  /// brk(2): the end of the heap after it.
  uint64_t set_break(uint64_t end);
  /// Says where the heap begins: exec, behind the program.
  void begin_heap(uint64_t address);

  /// The program touched `address`: makes it there, with a few around it, if it may be.
  FaultResult fault(uint64_t address, bool write, bool execute);
  /// Makes the pages of a range before they are touched, where there is plenty of memory: a fault costs as much as a
  /// hundred of them.
  void populate(uint64_t begin, uint64_t length);
  /// Our memory for a byte of the program's, its page made present as its own access would; null where that would be a
  /// fault.
  std::byte* touch(uint64_t address, bool write);
  /// A copy for a child; null when memory is out.
  std::unique_ptr<AddressSpace> fork();

  [[nodiscard]] const Region* find(uint64_t address) const;
  [[nodiscard]] const std::map<uint64_t, Region>& mappings() const { return mappings_; }
  [[nodiscard]] bool mapped(uint64_t begin, uint64_t length) const;
  [[nodiscard]] PageTable& table() { return table_; }
  [[nodiscard]] uint64_t total_bytes() const { return total_; }
  [[nodiscard]] uint64_t resident_bytes() const { return resident_ * page_bytes; }
  /// Whether so much more could be written to now: what is more than that is refused at once, not when it is touched.
  [[nodiscard]] bool affordable(uint64_t length) const;
  [[nodiscard]] uint64_t heap_begin() const { return heap_begin_; }
  [[nodiscard]] uint64_t heap_end() const { return heap_end_; }
  [[nodiscard]] const Layout& layout() const { return layout_; }

  uint64_t stack_limit = 8u << 20;
  uint64_t data_limit = UINT64_MAX;     ///< RLIMIT_DATA, for brk
  uint64_t address_limit = UINT64_MAX;  ///< RLIMIT_AS

 private:
  AddressSpace(MemoryPool& pool, PageTable table, const Layout& layout)
      : pool_(pool), table_(std::move(table)), layout_(layout), cursor_(layout.mmap_top) {}
  using Map = std::map<uint64_t, Region>;

  Map::iterator at(uint64_t address);
  bool split(uint64_t address);
  bool insert(Region mapping);
  void erase_range(uint64_t begin, uint64_t end);
  void merge(uint64_t begin, uint64_t end);
  uint64_t find_room(uint64_t length);
  uint64_t room_below(uint64_t top, uint64_t length) const;
  bool grow_stack(uint64_t address);
  [[nodiscard]] bool free_between(uint64_t begin, uint64_t end) const;

  FaultResult fill(const Region& mapping, uint64_t page, bool wanted);
  FaultResult fill_shared(const Region& mapping, uint64_t page, bool wanted);
  bool place(const Region& mapping, uint64_t page, Frame frame);
  FaultResult raise(const Region& mapping, uint64_t page, const Page& there);
  void fill_around(const Region& mapping, uint64_t page);
  std::optional<Frame> fresh();
  std::optional<Frame> copy_of(Frame frame);
  void drop_page(uint64_t page);
  bool move_pages(uint64_t from, uint64_t to, uint64_t length, const Region& mapping);
  void reprotect(const Region& mapping);
  bool copy_pages(const Region& mapping, AddressSpace& child);
  bool grow_in_place(Map::iterator mapping, uint64_t old_end, uint64_t more);
  int64_t move_mapping(Region moved, uint64_t old_length, uint64_t new_length, uint64_t to, bool fixed, bool leave);

  MemoryPool& pool_;
  PageTable table_;
  Layout layout_;
  Map mappings_;
  std::map<uint64_t, Frame> hidden_;  // pages that are there but may not be read now (PROT_NONE)
  uint64_t cursor_;                   // new mappings go below, until something above is unmapped
  uint64_t heap_begin_ = 0, heap_end_ = 0;
  size_t resident_ = 0;
  uint64_t total_ = 0;
};

}  // namespace shrike::sandbox::microvm
