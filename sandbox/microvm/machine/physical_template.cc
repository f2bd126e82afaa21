// The half of Physical that a machine needs to run more than one job.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {
namespace {

// More than this is given back to the host, the rest is zeroed where it is: the next job's first pages are there then.
constexpr uint64_t resident_frames = 512, resident_tables = 64;

[[noreturn]] void abort_with(const char* what, Frame frame) {
  std::fprintf(stderr, "Physical: %s: frame %u\n", what, frame);
  std::abort();
}

bool all_zero(std::span<const std::byte> bytes) {
  static constexpr std::byte zeros[page_bytes]{};
  return std::memcmp(bytes.data(), zeros, bytes.size()) == 0;
}

}  // namespace

void Physical::keep_as_template() {
  template_.clear();
  keep(programs_);
  keep(table_region_);
  // Programs' frames begin anew behind the template's; tables that have been in use stay retired.
  programs_.next = programs_.kept_next;
  programs_.free.clear();
}

void Physical::keep(Region& region) {
  uint64_t frame = region.begin;
  for (; frame < region.next && users_of(static_cast<Frame>(frame)) > 0; ++frame) {
    const auto now = bytes(static_cast<Frame>(frame));
    template_.push_back({static_cast<Frame>(frame), users_of(static_cast<Frame>(frame)), {now.begin(), now.end()}});
  }
  region.kept_next = frame;
  for (; frame < region.next; ++frame) {
    if (users_of(static_cast<Frame>(frame)) > 0) abort_with("in use behind the template's", static_cast<Frame>(frame));
    zero(static_cast<Frame>(frame));
  }
}

size_t Physical::reset() {
  stale_.clear();
  size_t changed = reset_programs() + reset_tables();
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

// Zeroes [begin, end): the first `stay` frames where they are, the others by giving them back to the host.
void Physical::zero_all(uint64_t begin, uint64_t end, uint64_t stay) {
  if (begin >= end) return;
  const uint64_t middle = std::min(end, begin + stay);
  std::memset(memory_.at() + begin * page_bytes, 0, (middle - begin) * page_bytes);
  if (middle < end) ::madvise(memory_.at() + middle * page_bytes, (end - middle) * page_bytes, MADV_DONTNEED);
  std::memset(users_.at() + begin * sizeof(uint32_t), 0, (end - begin) * sizeof(uint32_t));
}

size_t Physical::reset_programs() {
  Region& region = programs_;
  const uint64_t given = region.next - region.kept_next;
  zero_all(region.kept_next, region.next, resident_frames);
  region.next = region.kept_next;
  region.free.clear();
  return given;
}

// What KVM remembers of a table stays until it is made to forget all of them, which takes long on a busy host: the next
// job begins with others.
size_t Physical::reset_tables() {
  Region& region = table_region_;
  zero_all(region.kept_next, region.next, resident_tables);
  region.free.clear();
  retired_.clear();
  retired_.reserve(region.next - region.kept_next);
  for (uint64_t table = region.kept_next; table < region.next; ++table) retired_.push_back(static_cast<Frame>(table));
  return region.next - region.kept_next;
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
  if (!stale_.empty()) return Error{"there are stale frames"};
  return {};
}

}  // namespace shrike::sandbox::microvm
