// Fork and mremap: pages go from one place to another.

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/kernel/address_space.h"

namespace shrike::sandbox::microvm {

bool AddressSpace::copy_pages(const Region& mapping, AddressSpace& child) {
  std::vector<std::pair<uint64_t, Page>> pages;
  table_.each(mapping.begin, mapping.end,
              [&](uint64_t address, const Page& page) { pages.emplace_back(address, page); });
  for (const auto& [address, page] : pages) {
    std::optional<Frame> frame = page.frame;
    if (mapping.shared || !page.protection.write) {
      pool_.physical.share(page.frame);
    } else {
      frame = copy_of(page.frame);
    }
    if (!frame || !child.place(mapping, address, *frame)) return false;
  }
  // Once one side makes these visible again and writes, it finds that they have two users and takes a copy.
  for (auto each = hidden_.lower_bound(mapping.begin); each != hidden_.end() && each->first < mapping.end; ++each) {
    pool_.physical.share(each->second);
    if (!child.place(mapping, each->first, each->second)) return false;
  }
  return true;
}

std::unique_ptr<AddressSpace> AddressSpace::fork() {
  auto child = create(pool_, layout_);
  if (!child) return nullptr;
  child->cursor_ = cursor_;
  child->heap_begin_ = heap_begin_;
  child->heap_end_ = heap_end_;
  child->stack_limit = stack_limit;
  child->data_limit = data_limit;
  child->address_limit = address_limit;
  for (const auto& [begin, mapping] : mappings_) {
    if (mapping.not_forked) continue;
    if (!child->insert(mapping)) return nullptr;
    if (!mapping.wiped_on_fork && !copy_pages(mapping, *child)) return nullptr;
  }
  return child;
}

bool AddressSpace::move_pages(uint64_t from, uint64_t to, uint64_t length, const Region& mapping) {
  std::vector<std::pair<uint64_t, Frame>> pages;
  table_.each(from, from + length,
              [&](uint64_t address, const Page& page) { pages.emplace_back(address, page.frame); });
  for (auto each = hidden_.lower_bound(from); each != hidden_.end() && each->first < from + length; ++each)
    pages.emplace_back(each->first, each->second);
  for (const auto& [address, frame] : pages) {
    pool_.physical.share(frame);
    drop_page(address);
    if (!place(mapping, to + (address - from), frame)) return false;
  }
  return true;
}

bool AddressSpace::grow_in_place(Map::iterator mapping, uint64_t old_end, uint64_t more) {
  const uint64_t new_end = old_end + more;
  if (mapping->second.end != old_end || new_end > user_highest || !free_between(old_end, new_end)) return false;
  total_ += more;
  mapping->second.end = new_end;
  return true;
}

int64_t AddressSpace::move_mapping(Region moved, uint64_t old_length, uint64_t new_length, uint64_t to, bool fixed,
                                   bool leave) {
  const uint64_t from = moved.begin;
  moved.begin = to;
  const int64_t address = map(moved, new_length, fixed);
  if (address < 0) return address;
  moved.begin = static_cast<uint64_t>(address);
  moved.end = moved.begin + new_length;
  if (!move_pages(from, moved.begin, std::min(old_length, new_length), moved)) return -ENOMEM;
  if (leave) return address;
  const int64_t gone = unmap(from, old_length);
  return gone < 0 ? gone : address;
}

int64_t AddressSpace::remap(uint64_t begin, uint64_t old_length, uint64_t new_length, uint64_t flags,
                            uint64_t new_begin) {
  const bool may_move = (flags & MREMAP_MAYMOVE) != 0;
  const bool fixed = (flags & MREMAP_FIXED) != 0;
  const bool leave = (flags & MREMAP_DONTUNMAP) != 0;
  if ((flags & ~uint64_t{MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP}) != 0 || ((fixed || leave) && !may_move) ||
      begin % page_bytes != 0 || new_length == 0 || old_length == 0)
    return -EINVAL;
  old_length = page_up(old_length);
  new_length = page_up(new_length);
  if (old_length == 0 || new_length == 0 || (leave && old_length != new_length)) return -EINVAL;
  if (new_length > user_highest || old_length > user_highest || begin > user_highest - old_length) return -EINVAL;
  if (fixed && (new_begin % page_bytes != 0 || new_begin > user_highest - new_length ||
                (new_begin < begin + old_length && begin < new_begin + new_length)))
    return -EINVAL;
  if (!fixed && !leave && new_length <= old_length) {
    if (at(begin) == mappings_.end()) return -EFAULT;
    if (new_length < old_length && unmap(begin + new_length, old_length - new_length) < 0) return -ENOMEM;
    return static_cast<int64_t>(begin);
  }
  const auto found = at(begin);
  if (found == mappings_.end() || found->second.end < begin + old_length) return -EFAULT;
  if (new_length > old_length) {
    const uint64_t more = new_length - old_length;
    if ((found->second.access.write && !found->second.shared && !affordable(more)) || more > address_limit ||
        total_ > address_limit - more)
      return -ENOMEM;
  }
  if (!fixed && !leave && grow_in_place(found, begin + old_length, new_length - old_length))
    return static_cast<int64_t>(begin);
  if (!may_move) return -ENOMEM;
  Region moved = found->second;
  moved.offset += begin - moved.begin;
  moved.begin = begin;
  moved.role = Role::plain;
  return move_mapping(std::move(moved), old_length, new_length, fixed ? new_begin : 0, fixed, leave);
}

}  // namespace shrike::sandbox::microvm
