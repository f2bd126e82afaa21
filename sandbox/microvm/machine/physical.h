#pragma once
// Guest-physical memory: one mapping of ours, given out by frames of 4 KiB. Needs no KVM.
//
// Page tables lie in a region of their own behind the frames of programs. A KVM with a shadow MMU keeps what it has
// read in them, also when they are gone: a frame that held a table is used again only after the machine has made KVM
// forget that whole region (`forget`). And it keeps what it has read in entries that we have since changed: their
// frames are *stale* until the machine has dealt with them.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sandbox/microvm/machine/mapping.h"

namespace shrike::sandbox::microvm {

using Frame = uint32_t;  ///< number of a page of guest-physical memory; 0 is never given out
inline constexpr uint64_t page_bytes = 4096;

class Physical {
 public:
  /// Reserves `bytes` (rounded up to 2 MiB) and a sixteenth of it more for page tables; pages cost host memory when
  /// first touched. Errors: none or more than 64 GiB asked for; errno of mmap.
  static Result<Physical> create(uint64_t bytes);

  /// A zeroed frame with one user; nothing when all are given out, or as many as set_limit() says.
  std::optional<Frame> allocate();
  /// One user more, one fewer; the last one gives it back. Asking for a frame that is not given out aborts.
  void share(Frame frame);
  void release(Frame frame);
  [[nodiscard]] uint32_t users(Frame frame) const;
  /// Gives out no more than `bytes` from now on, tables not counted: a job may have less memory than its machine.
  void set_limit(uint64_t bytes) { limit_ = bytes / page_bytes; }

  /// Takes host memory for the next `bytes` that will be given out, while nobody waits: a microsecond for a page.
  void touch(uint64_t bytes);

  [[nodiscard]] std::span<std::byte, page_bytes> bytes(Frame frame);
  [[nodiscard]] std::span<const std::byte, page_bytes> bytes(Frame frame) const;
  [[nodiscard]] std::byte* host() const { return memory_.at(); }                ///< of guest-physical address 0
  [[nodiscard]] uint64_t size_bytes() const { return frames_ * page_bytes; }    ///< without the tables' region
  [[nodiscard]] uint64_t tables_bytes() const { return tables_ * page_bytes; }  ///< that region, right behind it
  [[nodiscard]] uint64_t used_bytes() const { return (used_ + tables_used_) * page_bytes; }
  [[nodiscard]] uint64_t peak_bytes() const { return peak_ * page_bytes; }

  /// A zeroed frame of the tables' region; nothing when all are in use.
  std::optional<Frame> allocate_table();
  /// The table is in no table and no CPU any more.
  void retire_table(Frame table);
  /// An entry that showed `frame` now shows less of it, or something else.
  void mark_stale(Frame frame) { stale_.push_back(frame); }
  /// What was marked since the last time, which is then the caller's to deal with.
  std::vector<Frame> take_stale() { return std::exchange(stale_, {}); }
  /// Makes KVM forget all that it has read in the tables' region; called before retired tables are used again.
  void on_reuse(std::function<void()> forget) { forget_ = std::move(forget); }
  /// The table that every address space has for the upper half of addresses; 0: none.
  void set_upper_half(Frame table) { upper_half_ = table; }
  [[nodiscard]] Frame upper_half() const { return upper_half_; }

  /// What is given out now is the template; it must be what was given out first. reset() takes back everything else and
  /// restores these frames' bytes. Only what was given out can have been written, by the guest or by us, so that
  /// nothing else is looked at.
  void keep_as_template();
  /// Back to the template. Tables that were in use meanwhile are zeroed, and used again only as if they were retired.
  /// Returns how many frames were restored or zeroed.
  size_t reset();
  /// Compares every frame that was ever given out with the template. Errors: the first frame that differs, and where.
  [[nodiscard]] Result<void> check_template() const;

 private:
  /// What is given out in one region, from its first frame on.
  struct Region {
    uint64_t begin = 0, end = 0;
    uint64_t next = 0;        // no frame from here on is given out or free
    uint64_t touched = 0;     // nor was, from here on, ever
    std::vector<Frame> free;  // below next; may hold anything
    uint64_t kept_next = 0;   // one past the template's
    std::optional<Frame> take();
  };
  struct Kept {
    Frame frame;
    uint32_t users;
    std::vector<std::byte> bytes;
  };
  explicit Physical(Mapping memory, Mapping users, uint64_t frames, uint64_t tables);
  [[nodiscard]] std::byte* at(Frame frame) const;
  [[nodiscard]] uint32_t& users_of(Frame frame) const;
  void zero(Frame frame);
  void keep(Region& region);
  size_t reset_programs();
  size_t reset_tables();
  void zero_all(uint64_t begin, uint64_t end, uint64_t stay);
  [[nodiscard]] bool kept(Frame frame) const;

  Mapping memory_, users_;
  uint64_t frames_, tables_;
  uint64_t limit_;
  uint64_t used_ = 0, tables_used_ = 0, peak_ = 0;
  Region programs_, table_region_;
  std::vector<Frame> retired_, stale_;
  std::function<void()> forget_;
  Frame upper_half_ = 0;
  std::vector<Kept> template_;  // by frame, ascending
};

}  // namespace shrike::sandbox::microvm
