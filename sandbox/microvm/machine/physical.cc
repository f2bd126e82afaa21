#include "sandbox/microvm/machine/physical.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shrike::sandbox::microvm {
namespace {

constexpr uint64_t granule = 512;  // frames: 2 MiB, what one table maps
constexpr uint64_t bytes_max = 64ull << 30;

[[noreturn]] void abort_with(const char* what, Frame frame) {
  std::fprintf(stderr, "Physical: %s: frame %u\n", what, frame);
  std::abort();
}

}  // namespace

Result<Physical> Physical::create(uint64_t bytes) {
  if (bytes == 0 || bytes > bytes_max)
    return Error{"a machine has between 1 byte and 64 GiB of memory, not " + std::to_string(bytes)};
  const uint64_t frames = (bytes / page_bytes + granule) / granule * granule;
  const uint64_t tables = std::max(frames / 16, granule);
  Mapping memory = TRY(Mapping::create((frames + tables) * page_bytes, granule * page_bytes));
  Mapping users = TRY(Mapping::create((frames + tables) * sizeof(uint32_t)));
  // Huge pages would make a machine that uses little cost much, and are not cheaper to make.
  ::madvise(memory.at(), (frames + tables) * page_bytes, MADV_NOHUGEPAGE);
  return Physical(std::move(memory), std::move(users), frames, tables);
}

Physical::Physical(Mapping memory, Mapping users, uint64_t frames, uint64_t tables)
    : memory_(std::move(memory)), users_(std::move(users)), frames_(frames), tables_(tables), limit_(frames) {
  programs_.begin = programs_.next = programs_.touched = programs_.kept_next = 1;  // address 0 stays empty
  programs_.end = frames;
  table_region_.begin = table_region_.next = table_region_.touched = table_region_.kept_next = frames;
  table_region_.end = frames + tables;
}

std::byte* Physical::at(Frame frame) const {
  if (frame == 0 || frame >= frames_ + tables_) abort_with("no such frame", frame);
  return memory_.at() + frame * page_bytes;
}

uint32_t& Physical::users_of(Frame frame) const {
  if (frame == 0 || frame >= frames_ + tables_) abort_with("no such frame", frame);
  return reinterpret_cast<uint32_t*>(users_.at())[frame];
}

std::optional<Frame> Physical::Region::take() {
  if (!free.empty()) {
    const Frame frame = free.back();
    free.pop_back();
    return frame;
  }
  if (next == end) return std::nullopt;
  touched = std::max(touched, next + 1);
  return static_cast<Frame>(next++);
}

std::optional<Frame> Physical::allocate() {
  if (used_ >= limit_) return std::nullopt;
  const bool again = !programs_.free.empty();
  const std::optional<Frame> frame = programs_.take();
  if (!frame) return std::nullopt;
  if (again) zero(*frame);
  users_of(*frame) = 1;
  ++used_;
  peak_ = std::max(peak_, used_ + tables_used_);
  return frame;
}

void Physical::share(Frame frame) {
  if (users_of(frame)++ == 0) abort_with("shared but not given out", frame);
}

void Physical::release(Frame frame) {
  uint32_t& users = users_of(frame);
  if (users == 0 || frame >= frames_) abort_with("released but not given out", frame);
  if (--users > 0) return;
  --used_;
  programs_.free.push_back(frame);
}

uint32_t Physical::users(Frame frame) const { return users_of(frame); }

std::optional<Frame> Physical::allocate_table() {
  if (table_region_.free.empty() && table_region_.next == table_region_.end && !retired_.empty()) {
    if (forget_) forget_();
    table_region_.free = std::exchange(retired_, {});
  }
  const bool again = !table_region_.free.empty();
  const std::optional<Frame> table = table_region_.take();
  if (!table) return std::nullopt;
  if (again) zero(*table);
  users_of(*table) = 1;
  ++tables_used_;
  peak_ = std::max(peak_, used_ + tables_used_);
  return table;
}

void Physical::retire_table(Frame table) {
  uint32_t& users = users_of(table);
  if (users == 0 || table < frames_) abort_with("retired but no table", table);
  users = 0;
  --tables_used_;
  retired_.push_back(table);
}

void Physical::touch(uint64_t bytes) {
  const uint64_t from = programs_.next * page_bytes;
  ::madvise(memory_.at() + from, std::min(bytes, size_bytes() - from), MADV_POPULATE_WRITE);
}

std::span<std::byte, page_bytes> Physical::bytes(Frame frame) {
  return std::span<std::byte, page_bytes>(at(frame), page_bytes);
}

std::span<const std::byte, page_bytes> Physical::bytes(Frame frame) const {
  return std::span<const std::byte, page_bytes>(at(frame), page_bytes);
}

void Physical::zero(Frame frame) { std::memset(at(frame), 0, page_bytes); }

}  // namespace shrike::sandbox::microvm
