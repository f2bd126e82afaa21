#include "sandbox/microvm/kernel/address_space.h"

#include <algorithm>
#include <cerrno>

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t stack_gap = 256 * page_bytes;  // below a stack that grows nothing else may begin
constexpr size_t own_mappings_most = 16384;

bool same_kind(const Region& a, const Region& b) {
  return a.access == b.access && a.shared == b.shared && a.role == b.role && a.grows_down == b.grows_down &&
         a.not_forked == b.not_forked && a.wiped_on_fork == b.wiped_on_fork && a.may_write == b.may_write &&
         a.node == b.node && a.object == b.object && ((!a.node && !a.object) || a.offset + a.bytes() == b.offset);
}
}  // namespace

std::unique_ptr<AddressSpace> AddressSpace::create(MemoryPool& pool, const Layout& layout) {
  auto table = PageTable::create(pool.physical);
  if (!table) return nullptr;
  return std::unique_ptr<AddressSpace>(new AddressSpace(pool, std::move(*table), layout));
}

AddressSpace::~AddressSpace() {
  for (const auto& [page, frame] : hidden_) pool_.physical.release(frame);
  pool_.mappings -= mappings_.size();
}

AddressSpace::Map::iterator AddressSpace::at(uint64_t address) {
  auto after = mappings_.upper_bound(address);
  if (after == mappings_.begin()) return mappings_.end();
  --after;
  return after->second.holds(address) ? after : mappings_.end();
}

const Region* AddressSpace::find(uint64_t address) const {
  const auto found = const_cast<AddressSpace*>(this)->at(address);
  return found == mappings_.end() ? nullptr : &found->second;
}

bool AddressSpace::mapped(uint64_t begin, uint64_t length) const {
  if (length > user_highest || begin > user_highest - length) return false;
  for (uint64_t at = begin; at < begin + length;) {
    const Region* mapping = find(at);
    if (mapping == nullptr) return false;
    at = mapping->end;
  }
  return true;
}

bool AddressSpace::free_between(uint64_t begin, uint64_t end) const {
  const auto after = mappings_.lower_bound(begin);
  return (after == mappings_.end() || after->second.begin >= end) && find(begin) == nullptr;
}

bool AddressSpace::affordable(uint64_t length) const {
  const uint64_t margin = pool_.limit_bytes / 64;
  const uint64_t cached = pool_.pages.pages() * page_bytes / 2;
  const uint64_t free = pool_.limit_bytes - std::min(pool_.limit_bytes, pool_.physical.used_bytes()) + cached;
  return length <= free && free - length >= margin;
}

bool AddressSpace::insert(Region mapping) {
  if (mappings_.size() >= own_mappings_most || pool_.mappings >= pool_.mappings_most) return false;
  ++pool_.mappings;
  total_ += mapping.bytes();
  const uint64_t begin = mapping.begin;
  mappings_.insert_or_assign(begin, std::move(mapping));
  return true;
}

bool AddressSpace::split(uint64_t address) {
  const auto found = at(address);
  if (found == mappings_.end() || found->second.begin == address) return true;
  Region upper = found->second;
  upper.offset += address - upper.begin;
  upper.begin = address;
  if (!insert(upper)) return false;
  total_ -= upper.bytes();
  found->second.end = address;
  return true;
}

void AddressSpace::merge(uint64_t begin, uint64_t end) {
  auto left = mappings_.upper_bound(begin);
  if (left != mappings_.begin()) --left;
  if (left != mappings_.begin()) --left;
  while (left != mappings_.end() && left->second.begin <= end) {
    const auto right = std::next(left);
    if (right == mappings_.end()) break;
    if (left->second.end != right->second.begin || !same_kind(left->second, right->second)) {
      left = right;
      continue;
    }
    left->second.end = right->second.end;
    mappings_.erase(right);
    --pool_.mappings;
  }
}

void AddressSpace::erase_range(uint64_t begin, uint64_t end) {
  drop(begin, end - begin);
  auto mapping = mappings_.lower_bound(begin);
  while (mapping != mappings_.end() && mapping->second.begin < end) {
    total_ -= mapping->second.bytes();
    mapping = mappings_.erase(mapping);
    --pool_.mappings;
  }
  if (end > cursor_ && end <= layout_.mmap_top) cursor_ = end;
}

uint64_t AddressSpace::room_below(uint64_t top, uint64_t length) const {
  auto above = mappings_.lower_bound(top);
  while (true) {
    const uint64_t floor = above == mappings_.begin() ? user_lowest : std::prev(above)->second.end;
    if (top >= floor && top - floor >= length) return top - length;
    if (above == mappings_.begin()) return 0;
    --above;
    top = std::min(top, above->second.begin);
    if (above->second.grows_down) top = top > stack_gap ? top - stack_gap : 0;
  }
}

uint64_t AddressSpace::find_room(uint64_t length) {
  uint64_t address = room_below(cursor_, length);
  if (address == 0) address = room_below(layout_.mmap_top, length);
  if (address != 0) cursor_ = address;
  return address;
}

int64_t AddressSpace::map(Region wanted, uint64_t length, bool fixed, bool keep) {
  if (length == 0) return -EINVAL;
  length = page_up(length);
  if (length == 0 || length > user_highest - user_lowest) return -ENOMEM;
  if (length > address_limit || total_ > address_limit - length) return -ENOMEM;
  if (mappings_.size() + 2 >= own_mappings_most || pool_.mappings + 2 >= pool_.mappings_most) return -ENOMEM;
  if (fixed) {
    if (wanted.begin % page_bytes != 0) return -EINVAL;
    if (wanted.begin > user_highest - length) return -ENOMEM;
    if (wanted.begin < user_lowest) return -EPERM;
    if (keep && !free_between(wanted.begin, wanted.begin + length)) return -EEXIST;
    if (const int64_t gone = unmap(wanted.begin, length); gone < 0) return gone;
  } else {
    const uint64_t hint = page_down(wanted.begin);
    const bool hint_fits = hint >= user_lowest && hint <= user_highest - length && free_between(hint, hint + length);
    wanted.begin = hint_fits ? hint : find_room(length);
    if (wanted.begin == 0) return -ENOMEM;
  }
  wanted.end = wanted.begin + length;
  const uint64_t begin = wanted.begin;
  if (!insert(std::move(wanted))) return -ENOMEM;
  merge(begin, begin + length);
  return static_cast<int64_t>(begin);
}

int64_t AddressSpace::unmap(uint64_t begin, uint64_t length) {
  const uint64_t rounded = page_up(length);
  if (begin % page_bytes != 0 || rounded == 0 || rounded > user_highest || begin > user_highest - rounded)
    return -EINVAL;
  if (!split(begin) || !split(begin + rounded)) return -ENOMEM;
  erase_range(begin, begin + rounded);
  return 0;
}

int64_t AddressSpace::protect(uint64_t begin, uint64_t length, Access access) {
  const uint64_t rounded = page_up(length);
  if (begin % page_bytes != 0) return -EINVAL;
  if (length == 0) return 0;
  if (rounded == 0 || !mapped(begin, rounded)) return -ENOMEM;
  const uint64_t end = begin + rounded;
  if (access.write) {
    for (auto each = at(begin); each != mappings_.end() && each->second.begin < end; ++each)
      if (!each->second.may_write) return -EACCES;
  }
  if (!split(begin) || !split(end)) return -ENOMEM;
  for (auto each = at(begin); each != mappings_.end() && each->second.begin < end; ++each) {
    if (each->second.access == access) continue;
    each->second.access = access;
    reprotect(each->second);
  }
  merge(begin, end);
  return 0;
}

int64_t AddressSpace::mark(uint64_t begin, uint64_t length, bool Region::*what, bool value) {
  if (!mapped(begin, length) || !split(begin) || !split(begin + length)) return -ENOMEM;
  for (auto each = at(begin); each != mappings_.end() && each->second.begin < begin + length; ++each)
    each->second.*what = value;
  return 0;
}

void AddressSpace::begin_heap(uint64_t address) { heap_begin_ = heap_end_ = address; }

uint64_t AddressSpace::set_break(uint64_t end) {
  if (end < heap_begin_ || end > user_highest || heap_begin_ == 0) return heap_end_;
  if (end - heap_begin_ > data_limit) return heap_end_;
  const uint64_t before = page_up(heap_end_);
  const uint64_t after = page_up(end);
  if (after < before) {
    if (unmap(after, before - after) != 0) return heap_end_;
  } else if (after > before) {
    const auto above = mappings_.lower_bound(before);
    const uint64_t gap = above != mappings_.end() && above->second.grows_down ? stack_gap : 0;
    if (!affordable(after - before) || !free_between(before, after + gap)) return heap_end_;
    const Region heap{.begin = before, .access = {.read = true, .write = true}, .role = Role::heap};
    if (map(heap, after - before, true) < 0) return heap_end_;
  }
  return heap_end_ = end;
}

}  // namespace shrike::sandbox::microvm
