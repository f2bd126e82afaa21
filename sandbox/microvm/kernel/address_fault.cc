// Pages come when they are touched: from a file, from shared memory, or empty.

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/kernel/address_space.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t around_bytes = 16 * page_bytes;
constexpr uint64_t populated_share = 4;  // one in so many of the job's pages is given before it is asked for
constexpr uint64_t stack_gap = 256 * page_bytes;
bool visible(const Access& access) { return access.read || access.write || access.execute; }
}  // namespace

std::optional<Frame> AddressSpace::fresh() {
  auto frame = pool_.physical.allocate();
  if (!frame && pool_.pages.reclaim() > 0) frame = pool_.physical.allocate();
  return frame;
}

std::optional<Frame> AddressSpace::copy_of(Frame frame) {
  const auto copy = fresh();
  if (copy) std::memcpy(pool_.physical.bytes(*copy).data(), pool_.physical.bytes(frame).data(), page_bytes);
  return copy;
}

// Takes over one use of `frame`.
bool AddressSpace::place(const Region& mapping, uint64_t page, Frame frame) {
  ++resident_;
  if (!visible(mapping.access)) {
    hidden_.emplace(page, frame);
    return true;
  }
  const bool own = mapping.shared || pool_.physical.users(frame) == 1;
  const Protection protection{.write = mapping.access.write && own, .execute = mapping.access.execute};
  if (table_.map(page, frame, protection)) return true;
  --resident_;
  pool_.physical.release(frame);
  return false;
}

void AddressSpace::drop_page(uint64_t page) {
  const auto hidden = hidden_.find(page);
  if (hidden != hidden_.end()) {
    pool_.physical.release(hidden->second);
    hidden_.erase(hidden);
    --resident_;
  } else if (table_.find(page)) {
    table_.unmap(page);
    --resident_;
  }
}

int64_t AddressSpace::drop(uint64_t begin, uint64_t length) {
  std::vector<uint64_t> pages;
  const uint64_t end = begin + length;
  table_.each(begin, end, [&](uint64_t address, const Page&) { pages.push_back(address); });
  for (auto each = hidden_.lower_bound(begin); each != hidden_.end() && each->first < end; ++each)
    pages.push_back(each->first);
  for (const uint64_t page : pages) drop_page(page);
  return 0;
}

void AddressSpace::reprotect(const Region& mapping) {
  std::vector<std::pair<uint64_t, Frame>> pages;
  table_.each(mapping.begin, mapping.end,
              [&](uint64_t address, const Page& page) { pages.emplace_back(address, page.frame); });
  if (visible(mapping.access)) {
    for (const auto& [address, frame] : pages) {
      const bool own = mapping.shared || pool_.physical.users(frame) == 1;
      table_.protect(address, {.write = mapping.access.write && own, .execute = mapping.access.execute});
    }
    auto each = hidden_.lower_bound(mapping.begin);
    while (each != hidden_.end() && each->first < mapping.end) {
      const auto [address, frame] = *each;
      each = hidden_.erase(each);
      --resident_;
      place(mapping, address, frame);
    }
    return;
  }
  for (const auto& [address, frame] : pages) {
    pool_.physical.share(frame);
    table_.unmap(address);
    hidden_.emplace(address, frame);
  }
}

FaultResult AddressSpace::fill_shared(const Region& mapping, uint64_t page, bool wanted) {
  SharedMemory& object = *mapping.object;
  const uint64_t number = (mapping.offset + (page - mapping.begin)) / page_bytes;
  Frame frame = object.find(number);
  if (frame == 0 && object.node()) {
    Frame content = 0;
    const auto state = pool_.pages.get(object.node(), number, content);
    if (state == FilePages::State::no_memory) return FaultResult::no_memory;
    if (state != FilePages::State::ok) return FaultResult::past_end;
    // The cache may not have it again before the copy is made.
    pool_.physical.share(content);
    const auto copy = copy_of(content);
    pool_.physical.release(content);
    if (!copy) return FaultResult::no_memory;
    object.add(number, frame = *copy);
  } else if (frame == 0) {
    const auto empty = wanted ? fresh() : pool_.physical.allocate();
    if (!empty) return FaultResult::no_memory;
    object.add(number, frame = *empty);
  }
  pool_.physical.share(frame);
  return place(mapping, page, frame) ? FaultResult::ok : FaultResult::no_memory;
}

FaultResult AddressSpace::fill(const Region& mapping, uint64_t page, bool wanted) {
  if (mapping.shared) return fill_shared(mapping, page, wanted);
  if (!mapping.node) {
    const auto frame = wanted ? fresh() : pool_.physical.allocate();
    return frame && place(mapping, page, *frame) ? FaultResult::ok : FaultResult::no_memory;
  }
  const uint64_t number = (mapping.offset + (page - mapping.begin)) / page_bytes;
  Frame frame = pool_.pages.peek(mapping.node.get(), number);
  if (frame == 0) {
    if (!wanted) return FaultResult::past_end;
    const auto state = pool_.pages.get(mapping.node, number, frame);
    if (state == FilePages::State::no_memory) return FaultResult::no_memory;
    if (state != FilePages::State::ok) return FaultResult::past_end;
  }
  pool_.physical.share(frame);
  if (mapping.access.write) {
    const auto copy = copy_of(frame);
    pool_.physical.release(frame);
    if (!copy) return FaultResult::no_memory;
    frame = *copy;
  }
  return place(mapping, page, frame) ? FaultResult::ok : FaultResult::no_memory;
}

void AddressSpace::fill_around(const Region& mapping, uint64_t page) {
  const Physical& physical = pool_.physical;
  const uint64_t block = page / around_bytes * around_bytes;
  const uint64_t end = std::min(mapping.end, block + around_bytes);
  for (uint64_t each = std::max(mapping.begin, block); each < end; each += page_bytes) {
    // Near the end of memory only what is asked for is given.
    if (physical.used_bytes() > pool_.limit_bytes / 8 * 7) return;
    if (each != page && !table_.find(each) && !hidden_.contains(each)) fill(mapping, each, false);
  }
}

void AddressSpace::populate(uint64_t begin, uint64_t length) {
  for (uint64_t page = page_down(begin); page < begin + length; page += page_bytes) {
    const auto found = at(page);
    if (found == mappings_.end() || pool_.physical.used_bytes() > pool_.limit_bytes / populated_share) return;
    if (table_.find(page) || hidden_.contains(page)) continue;
    if (fill(found->second, page, true) != FaultResult::ok) return;
  }
}

// A page that is there gets the access that its mapping has by now; one that others use too is copied first.
FaultResult AddressSpace::raise(const Region& mapping, uint64_t page, const Page& there) {
  if (mapping.shared || pool_.physical.users(there.frame) == 1) {
    table_.protect(page, {.write = true, .execute = mapping.access.execute});
    return FaultResult::ok;
  }
  const auto copy = copy_of(there.frame);
  if (!copy) return FaultResult::no_memory;
  table_.unmap(page);
  --resident_;
  return place(mapping, page, *copy) ? FaultResult::ok : FaultResult::no_memory;
}

bool AddressSpace::grow_stack(uint64_t address) {
  const auto above = mappings_.upper_bound(address);
  if (above == mappings_.end() || !above->second.grows_down) return false;
  const uint64_t begin = page_down(address);
  Region stack = above->second;
  if (begin < user_lowest || stack.end - begin > stack_limit || stack.begin - begin > stack_limit) return false;
  if (above != mappings_.begin() && std::prev(above)->second.end + stack_gap > begin) return false;
  total_ += stack.begin - begin;
  stack.begin = begin;
  mappings_.erase(above);
  mappings_.emplace(begin, std::move(stack));
  return true;
}

FaultResult AddressSpace::fault(uint64_t address, bool write, bool execute) {
  if (address < user_lowest || address >= user_highest) return FaultResult::not_mapped;
  auto found = at(address);
  if (found == mappings_.end()) {
    if (execute || !grow_stack(address)) return FaultResult::not_mapped;
    found = at(address);
  }
  const Region& mapping = found->second;
  const Access& access = mapping.access;
  if (execute ? !access.execute : write ? !access.write : !visible(access)) return FaultResult::not_allowed;
  const uint64_t page = page_down(address);
  if (const auto there = table_.find(page)) {
    return write && !there->protection.write ? raise(mapping, page, *there) : FaultResult::ok;
  }
  const FaultResult result = fill(mapping, page, true);
  if (result == FaultResult::ok) fill_around(mapping, page);
  return result;
}

std::byte* AddressSpace::touch(uint64_t address, bool write) {
  const uint64_t page = page_down(address);
  auto there = address < user_highest ? table_.find(page) : std::nullopt;
  if (!there || (write && !there->protection.write)) {
    if (fault(address, write, false) != FaultResult::ok) return nullptr;
    there = table_.find(page);
    if (!there || (write && !there->protection.write)) return nullptr;
  }
  return &pool_.physical.bytes(there->frame)[address % page_bytes];
}

}  // namespace shrike::sandbox::microvm
