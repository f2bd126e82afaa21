#pragma once
// Open files that no name leads to: pipes, event counters, timers, epoll sets, memory files, terminals. What would have
// to wait returns -EAGAIN (file.h); O_NONBLOCK in File::flags is kernel/'s to look at.

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

/// A virtual clock by its clockid_t, in nanoseconds.
using ClockNow = std::function<uint64_t(int clock)>;

// All are on the account of `store` (FileSystem::store()); -ENFILE when it has no objects left.

/// pipe2(2) with O_NONBLOCK and O_CLOEXEC (the descriptor's, ignored here); -EINVAL for other flags. A write to a pipe
/// that nobody reads is -EPIPE (the signal is kernel/'s).
int64_t make_pipe(const StorePtr& store, int flags, FilePtr& read_end, FilePtr& write_end);
/// eventfd2(2).
int64_t make_event(const StorePtr& store, uint32_t start, int flags, FilePtr& out);

class TimerFile : public File {
 public:
  /// timerfd_settime(2), `old` as it was before.
  virtual int64_t set(int flags, const struct ::itimerspec& value, struct ::itimerspec& old) = 0;
  virtual int64_t get(struct ::itimerspec& out) = 0;
};
/// timerfd_create(2).
int64_t make_timer(const StorePtr& store, int clock, int flags, ClockNow now, std::shared_ptr<TimerFile>& out);

class EpollFile : public File {
 public:
  /// epoll_ctl(2) for descriptor `fd`, which is `file`. -EEXIST, -ENOENT, -EINVAL, -ELOOP, -ENOSPC, -EPERM (a file that
  /// is always ready).
  virtual int64_t change(int operation, int fd, const FilePtr& file, const struct ::epoll_event& event) = 0;
  /// What is ready now, with edges and one-shots used up; how many, 0: nothing.
  virtual int64_t collect(std::span<struct ::epoll_event> out) = 0;
};
int64_t make_epoll(const StorePtr& store, int flags, std::shared_ptr<EpollFile>& out);

}  // namespace shrike::sandbox::microvm
