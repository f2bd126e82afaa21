// Format of entries: AMD64 Architecture Programmer's Manual, volume 2, 5.3 and 5.4.

#include "sandbox/microvm/machine/page_table.h"

#include <cstdio>
#include <cstdlib>

namespace shrike::sandbox::microvm {
namespace {

constexpr uint64_t present = 1 << 0, writable = 1 << 1, user = 1 << 2, accessed = 1 << 5, dirty = 1 << 6,
                   no_execute = 1ull << 63;
constexpr uint64_t frame_bits = 0x000f'ffff'ffff'f000;
constexpr int levels = 4;
constexpr int entries_count = 512;
constexpr int user_entries = entries_count / 2;  // of the root: the lower half of addresses

// Accessed and dirty are set from the start: KVM then never has to write to a table of ours.
uint64_t entry_of(Frame frame, Protection protection) {
  return frame * page_bytes | present | user | accessed | (protection.write ? writable | dirty : 0) |
         (protection.execute ? 0 : no_execute);
}

int index_at(uint64_t address, int level) { return static_cast<int>(address >> (12 + 9 * level) & 511); }

Frame frame_of(uint64_t entry) { return static_cast<Frame>((entry & frame_bits) / page_bytes); }

}  // namespace

std::optional<PageTable> PageTable::create(Physical& physical) {
  const std::optional<Frame> root = physical.allocate_table();
  if (!root) return std::nullopt;
  PageTable table(physical, *root);
  if (physical.upper_half() != 0)
    table.entries(*root)[user_entries] = physical.upper_half() * page_bytes | present | writable | accessed;
  return table;
}

PageTable::PageTable(PageTable&& other) noexcept : physical_(other.physical_), root_(std::exchange(other.root_, 0)) {}

PageTable& PageTable::operator=(PageTable&& other) noexcept {
  if (this == &other) return *this;
  clear();
  physical_ = other.physical_;
  root_ = std::exchange(other.root_, 0);
  return *this;
}

PageTable::~PageTable() { clear(); }

void PageTable::clear() {
  if (root_ != 0) destroy(std::exchange(root_, 0), levels - 1);
}

// Frames need not become stale: the root is loaded never again, and no table of it is used before KVM has forgotten it.
void PageTable::destroy(Frame table, int level) {
  const uint64_t* at = entries(table);
  const int count = level == levels - 1 ? user_entries : entries_count;
  for (int index = 0; index < count; ++index) {
    if ((at[index] & present) == 0) continue;
    if (level == 0)
      physical_->release(frame_of(at[index]));
    else
      destroy(frame_of(at[index]), level - 1);
  }
  physical_->retire_table(table);
}

uint64_t* PageTable::entries(Frame table) const {
  return reinterpret_cast<uint64_t*>(physical_->host() + table * page_bytes);
}

PageTable::Walk PageTable::walk_to(uint64_t address) const {
  Frame table = root_;
  for (int level = levels - 1; level > 0; --level) {
    const uint64_t entry = entries(table)[index_at(address, level)];
    const uint64_t span = page_bytes << (9 * level);
    if ((entry & present) == 0) return {nullptr, (address | (span - 1)) + 1};
    table = frame_of(entry);
  }
  return {&entries(table)[index_at(address, 0)], address + page_bytes};
}

uint64_t* PageTable::make_entry(uint64_t address) {
  Frame table = root_;
  for (int level = levels - 1; level > 0; --level) {
    uint64_t& entry = entries(table)[index_at(address, level)];
    if ((entry & present) == 0) {
      const std::optional<Frame> made = physical_->allocate_table();
      if (!made) return nullptr;
      entry = *made * page_bytes | present | writable | user | accessed;
    }
    table = frame_of(entry);
  }
  return &entries(table)[index_at(address, 0)];
}

Page PageTable::page_of(uint64_t entry) {
  return {frame_of(entry), {(entry & writable) != 0, (entry & no_execute) == 0}};
}

bool PageTable::map(uint64_t address, Frame frame, Protection protection) {
  uint64_t* entry = nullptr;
  if (address % page_bytes != 0 || address < user_lowest || address >= user_highest ||
      ((entry = make_entry(address)) != nullptr && (*entry & present) != 0)) {
    std::fprintf(stderr, "PageTable: may not map at %#llx\n", static_cast<unsigned long long>(address));
    std::abort();
  }
  if (entry == nullptr) return false;
  *entry = entry_of(frame, protection);
  return true;
}

void PageTable::unmap(uint64_t address) {
  if (address >= user_highest) return;
  uint64_t* const entry = walk_to(address).entry;
  if (entry == nullptr || (*entry & present) == 0) return;
  const Frame frame = frame_of(*entry);
  *entry = 0;
  physical_->mark_stale(frame);
  physical_->release(frame);
}

void PageTable::protect(uint64_t address, Protection protection) {
  if (address >= user_highest) return;
  uint64_t* const entry = walk_to(address).entry;
  if (entry == nullptr || (*entry & present) == 0) return;
  const Page before = page_of(*entry);
  *entry = entry_of(before.frame, protection);
  if ((before.protection.write && !protection.write) || (before.protection.execute && !protection.execute))
    physical_->mark_stale(before.frame);
}

std::optional<Page> PageTable::find(uint64_t address) const {
  if (address >= user_highest) return std::nullopt;
  const uint64_t* const entry = walk_to(address).entry;
  if (entry == nullptr || (*entry & present) == 0) return std::nullopt;
  return page_of(*entry);
}

}  // namespace shrike::sandbox::microvm
