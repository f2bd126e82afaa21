#pragma once
// One range of an address space with the same permissions and the same things behind it.

#include <cstdint>
#include <map>
#include <memory>

#include "sandbox/microvm/files/file.h"
#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

/// Pages that several address spaces see: shared anonymous memory, shared mappings of a file, System V segments.
/// Owners: the mappings, and the table (shared_memory.h) that finds one by its file. Gives its frames back when the
/// last goes.
class SharedMemory {
 public:
  SharedMemory(Physical& physical, std::shared_ptr<Node> node) : physical_(physical), node_(std::move(node)) {}
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() {
    for (const auto& [page, frame] : frames_) physical_.release(frame);
  }
  [[nodiscard]] const std::shared_ptr<Node>& node() const { return node_; }
  [[nodiscard]] const std::map<uint64_t, Frame>& frames() const { return frames_; }
  [[nodiscard]] Frame find(uint64_t page) const {
    const auto found = frames_.find(page);
    return found == frames_.end() ? 0 : found->second;
  }
  /// Takes over one use of `frame`.
  void add(uint64_t page, Frame frame) { frames_.emplace(page, frame); }
  /// Forgets pages from `page` on (the file was cut); mappings that have them keep them.
  void cut(uint64_t page) {
    for (auto at = frames_.lower_bound(page); at != frames_.end(); at = frames_.erase(at))
      physical_.release(at->second);
  }

 private:
  Physical& physical_;
  std::shared_ptr<Node> node_;  // null: anonymous
  std::map<uint64_t, Frame> frames_;
};

enum class Role : uint8_t { plain, heap, stack };

struct Access {
  bool read = false, write = false, execute = false;
  bool operator==(const Access&) const = default;
};

struct Region {
  uint64_t begin = 0, end = 0;
  Access access = {};
  bool may_write = true;  ///< a shared mapping of a file that was opened for reading can never become writable
  bool shared = false;
  bool grows_down = false;
  bool not_forked = false;  ///< MADV_DONTFORK
  bool wiped_on_fork = false;
  Role role = Role::plain;
  std::shared_ptr<Node> node = {};            ///< file behind it
  std::string name = {};                      ///< of that file, as it was opened
  std::shared_ptr<SharedMemory> object = {};  ///< where shared
  uint64_t offset = 0;                        ///< of `begin` in the file or object

  [[nodiscard]] uint64_t bytes() const { return end - begin; }
  [[nodiscard]] bool holds(uint64_t address) const { return address >= begin && address < end; }
};

inline constexpr uint64_t page_down(uint64_t value) { return value & ~(page_bytes - 1); }
/// Rounds up; 0 where that overflows.
inline constexpr uint64_t page_up(uint64_t value) { return (value + page_bytes - 1) & ~(page_bytes - 1); }

}  // namespace shrike::sandbox::microvm
