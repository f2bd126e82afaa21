#pragma once
// Locks on one file: flock(2) of open files, fcntl(2) of processes and of open files. Nothing waits here.

#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace shrike::sandbox::microvm {

class File;

/// A range of bytes that someone has locked.
struct RangeLock {
  uint64_t begin = 0, end = 0;  ///< one past the last; UINT64_MAX: to the end, however long
  bool exclusive = false;
  uint32_t pid = 0;            ///< of a process's
  const File* file = nullptr;  ///< of an open file's (F_OFD_SETLK)
};

class LockTable {
 public:
  static constexpr size_t ranges_max = 1024;  ///< of one file; then -ENOLCK

  /// LOCK_SH, LOCK_EX, LOCK_UN with or without LOCK_NB: -EWOULDBLOCK where it would have to wait; -EINVAL.
  int64_t flock(const File& file, int operation);
  /// F_SETLK's for `wanted`, whole or not at all: -EAGAIN where another has what it needs, -ENOLCK.
  int64_t lock(const RangeLock& wanted);
  /// -ENOLCK where a lock would fall in two and there are too many.
  int64_t unlock(const RangeLock& range);
  /// What stands in the way of `wanted`: F_GETLK.
  [[nodiscard]] std::optional<RangeLock> conflict(const RangeLock& wanted) const;

  void release_process(uint32_t pid);
  void release_file(const File& file);

 private:
  static bool same_owner(const RangeLock& a, const RangeLock& b) { return a.pid == b.pid && a.file == b.file; }

  std::vector<const File*> shared_;
  const File* exclusive_ = nullptr;
  std::vector<RangeLock> ranges_;
};

/// The range that struct flock speaks of: `position` and `size` of the file are for SEEK_CUR and SEEK_END. -EINVAL,
/// -EOVERFLOW.
int64_t lock_range(const struct ::flock& lock, uint64_t position, uint64_t size, RangeLock& out);

}  // namespace shrike::sandbox::microvm
