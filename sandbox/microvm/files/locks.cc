#include "sandbox/microvm/files/locks.h"

#include <sys/file.h>

#include <algorithm>
#include <cerrno>

namespace shrike::sandbox::microvm {

int64_t LockTable::flock(const File& file, int operation) {
  const auto mine = std::find(shared_.begin(), shared_.end(), &file);
  const bool others_share = shared_.size() > (mine == shared_.end() ? 0u : 1u);
  switch (operation & ~LOCK_NB) {
    case LOCK_SH:
      if (exclusive_ != nullptr && exclusive_ != &file) return -EWOULDBLOCK;
      if (exclusive_ == &file) exclusive_ = nullptr;
      if (mine == shared_.end()) shared_.push_back(&file);
      return 0;
    case LOCK_EX:
      if (exclusive_ == &file) return 0;
      // As on Linux a lock that is to be changed is given up first, also when the new one is not got.
      if (mine != shared_.end()) shared_.erase(mine);
      if (exclusive_ != nullptr || others_share) return -EWOULDBLOCK;
      exclusive_ = &file;
      return 0;
    case LOCK_UN:
      if (mine != shared_.end()) shared_.erase(mine);
      if (exclusive_ == &file) exclusive_ = nullptr;
      return 0;
    default:
      return -EINVAL;
  }
}

std::optional<RangeLock> LockTable::conflict(const RangeLock& wanted) const {
  for (const RangeLock& lock : ranges_) {
    if (same_owner(lock, wanted) || lock.begin >= wanted.end || wanted.begin >= lock.end) continue;
    if (lock.exclusive || wanted.exclusive) return lock;
  }
  return std::nullopt;
}

int64_t LockTable::lock(const RangeLock& wanted) {
  if (conflict(wanted)) return -EAGAIN;
  if (ranges_.size() + 2 > ranges_max) return -ENOLCK;
  if (const int64_t error = unlock(wanted); error < 0) return error;
  RangeLock merged = wanted;
  std::erase_if(ranges_, [&](const RangeLock& lock) {
    if (!same_owner(lock, wanted) || lock.exclusive != wanted.exclusive) return false;
    if (lock.end != merged.begin && lock.begin != merged.end) return false;
    merged.begin = std::min(merged.begin, lock.begin);
    merged.end = std::max(merged.end, lock.end);
    return true;
  });
  ranges_.push_back(merged);
  return 0;
}

int64_t LockTable::unlock(const RangeLock& range) {
  const bool splits = std::any_of(ranges_.begin(), ranges_.end(), [&](const RangeLock& lock) {
    return same_owner(lock, range) && lock.begin < range.begin && lock.end > range.end;
  });
  if (splits && ranges_.size() >= ranges_max) return -ENOLCK;
  std::vector<RangeLock> rests;
  std::erase_if(ranges_, [&](const RangeLock& lock) {
    if (!same_owner(lock, range) || lock.begin >= range.end || range.begin >= lock.end) return false;
    RangeLock rest = lock;
    if (lock.begin < range.begin) rest.end = range.begin, rests.push_back(rest);
    rest = lock;
    if (lock.end > range.end) rest.begin = range.end, rests.push_back(rest);
    return true;
  });
  ranges_.insert(ranges_.end(), rests.begin(), rests.end());
  return 0;
}

void LockTable::release_process(uint32_t pid) {
  std::erase_if(ranges_, [&](const RangeLock& lock) { return lock.file == nullptr && lock.pid == pid; });
}

void LockTable::release_file(const File& file) {
  std::erase(shared_, &file);
  if (exclusive_ == &file) exclusive_ = nullptr;
  std::erase_if(ranges_, [&](const RangeLock& lock) { return lock.file == &file; });
}

int64_t lock_range(const struct ::flock& lock, uint64_t position, uint64_t size, RangeLock& out) {
  uint64_t base = 0;
  if (lock.l_whence == SEEK_CUR) {
    base = position;
  } else if (lock.l_whence == SEEK_END) {
    base = size;
  } else if (lock.l_whence != SEEK_SET) {
    return -EINVAL;
  }
  int64_t begin = 0, end = 0;
  if (__builtin_add_overflow(static_cast<int64_t>(base), lock.l_start, &begin)) return -EOVERFLOW;
  if (__builtin_add_overflow(begin, lock.l_len, &end)) return -EOVERFLOW;
  if (lock.l_len < 0) std::swap(begin, end);
  if (begin < 0) return -EINVAL;
  out.begin = static_cast<uint64_t>(begin);
  out.end = lock.l_len == 0 ? UINT64_MAX : static_cast<uint64_t>(end);
  return 0;
}

}  // namespace shrike::sandbox::microvm
