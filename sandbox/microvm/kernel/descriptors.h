#pragma once
// A process's table of descriptors.

#include <cerrno>
#include <cstdint>
#include <vector>

#include "sandbox/microvm/files/file.h"

namespace shrike::sandbox::microvm {

class Descriptors {
 public:
  /// The file, or null: EBADF.
  [[nodiscard]] FilePtr get(int fd) const;
  /// Puts `file` at the lowest free number from `lowest` on: that number, or -EMFILE when it would be `limit` or more.
  int64_t add(FilePtr file, bool close_on_exec, uint64_t limit, int lowest = 0);
  /// Puts it at `fd`, closing what is there.
  void set(int fd, FilePtr file, bool close_on_exec);
  /// What was there, null: EBADF.
  FilePtr close(int fd);
  void close_on_exec();
  [[nodiscard]] bool closes_on_exec(int fd) const;
  void mark(int fd, bool close_on_exec);
  [[nodiscard]] std::vector<int> numbers() const;
  [[nodiscard]] size_t size() const { return slots_.size(); }
  void clear() { slots_.clear(); }

 private:
  struct Slot {
    FilePtr file;
    bool close_on_exec = false;
  };
  [[nodiscard]] bool has(int fd) const {
    return fd >= 0 && static_cast<size_t>(fd) < slots_.size() && slots_[static_cast<size_t>(fd)].file != nullptr;
  }
  std::vector<Slot> slots_;
};

}  // namespace shrike::sandbox::microvm
