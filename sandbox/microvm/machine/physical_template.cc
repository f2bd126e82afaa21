// The half of Physical that a machine needs to run more than one job.

#include <algorithm>
#include <cstring>

#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {
namespace {

// More than this is given back to the host, the rest is zeroed where it is: the next job's first pages are there then.
constexpr uint64_t resident_frames = 512;

bool all_zero(std::span<const std::byte> bytes) {
  static constexpr std::byte zeros[page_bytes]{};
  return std::memcmp(bytes.data(), zeros, bytes.size()) == 0;
}

}  // namespace

void Physical::keep_as_template() {
  template_.clear();
  keep(programs_);
  keep(table_region_);
}

void Physical::keep(Region& region) {
  if (&region == &table_region_) region.free.insert(region.free.end(), retired_.begin(), retired_.end());
  for (uint64_t frame = region.begin; frame < region.next; ++frame) {
    const uint32_t users = users_of(static_cast<Frame>(frame));
    if (users == 0) {
      zero(static_cast<Frame>(frame));
      continue;
    }
    const auto now = bytes(static_cast<Frame>(frame));
    template_.push_back({static_cast<Frame>(frame), users, {now.begin(), now.end()}});
  }
  // What has been used and given back at the end counts as never used.
  while (region.next > region.begin && users_of(static_cast<Frame>(region.next - 1)) == 0) --region.next;
  std::erase_if(region.free, [&](Frame frame) { return frame >= region.next; });
  if (&region == &table_region_) retired_.clear();
  region.kept_next = region.next;
  region.kept_free = region.free;
}

size_t Physical::reset() {
  stale_.clear();
  retired_.clear();
  size_t changed = reset(programs_) + reset(table_region_);
  for (const Kept& kept : template_) {
    users_of(kept.frame) = kept.users;
    std::memcpy(bytes(kept.frame).data(), kept.bytes.data(), page_bytes);
    ++changed;
  }
  const auto tables =
      std::count_if(template_.begin(), template_.end(), [&](const Kept& k) { return k.frame >= frames_; });
  tables_used_ = static_cast<uint64_t>(tables);
  used_ = template_.size() - tables_used_;
  peak_ = used_ + tables_used_;
  limit_ = frames_;
  return changed;
}

size_t Physical::reset(Region& region) {
  size_t changed = 0;
  for (const Frame frame : region.kept_free) {
    users_of(frame) = 0;
    zero(frame);
    ++changed;
  }
  const uint64_t given = region.next - region.kept_next;
  const uint64_t near = std::min(given, resident_frames);
  std::memset(memory_.at() + region.kept_next * page_bytes, 0, near * page_bytes);
  if (given > near)
    ::madvise(memory_.at() + (region.kept_next + near) * page_bytes, (given - near) * page_bytes, MADV_DONTNEED);
  std::memset(users_.at() + region.kept_next * sizeof(uint32_t), 0, given * sizeof(uint32_t));
  region.next = region.kept_next;
  region.free = region.kept_free;
  return changed + given;
}

bool Physical::kept(Frame frame) const {
  return std::binary_search(template_.begin(), template_.end(), Kept{frame, 0, {}},
                            [](const Kept& a, const Kept& b) { return a.frame < b.frame; });
}

Result<void> Physical::check_template() const {
  const auto differs = [](Frame frame, const char* how) { return Error{"frame " + std::to_string(frame) + " " + how}; };
  for (const Kept& kept : template_) {
    if (std::memcmp(bytes(kept.frame).data(), kept.bytes.data(), page_bytes) != 0)
      return differs(kept.frame, "is not as in the template");
    if (users_of(kept.frame) != kept.users) return differs(kept.frame, "has other users than in the template");
  }
  for (const Region* region : {&programs_, &table_region_})
    for (uint64_t at = region->begin; at < region->touched; ++at) {
      const auto frame = static_cast<Frame>(at);
      if (kept(frame)) continue;
      if (!all_zero(bytes(frame))) return differs(frame, "is not zero");
      if (users_of(frame) != 0) return differs(frame, "has users");
    }
  if (!stale_.empty() || !retired_.empty()) return Error{"there are stale frames or retired tables"};
  return {};
}

}  // namespace shrike::sandbox::microvm
