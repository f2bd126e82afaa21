#pragma once
// Open files that no name leads to: pipes, event counters, timers, epoll sets, memory files, standard input and output.
// What would have to wait returns -EAGAIN (file.h); O_NONBLOCK in File::flags is kernel/'s to look at. All are on the
// account of `store` (FileSystem::store()): -ENFILE when it has no objects left.

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

/// A virtual clock by its clockid_t, in nanoseconds.
using ClockNow = std::function<uint64_t(int clock)>;

/// A node without a name in the tree, shown as "anon_inode:[name]", for files of kernel/'s own (signalfd, pidfd). Null:
/// no objects left.
NodePtr anonymous_node(const StorePtr& store, std::string_view name);

/// pipe2(2) with O_NONBLOCK and O_CLOEXEC (the descriptor's, ignored here); -EINVAL for other flags. A write to a pipe
/// that nobody reads is -EPIPE (the signal is kernel/'s).
int64_t make_pipe(const StorePtr& store, int flags, FilePtr& read_end, FilePtr& write_end);
/// eventfd2(2).
int64_t make_event(const StorePtr& store, uint32_t start, int flags, FilePtr& out);
/// memfd_create(2). -EINVAL: flags, or a name over 249 bytes; -ENOSPC.
int64_t make_memory_file(const StorePtr& store, std::string_view name, unsigned flags, FilePtr& out);
/// fcntl F_ADD_SEALS, F_GET_SEALS. -EINVAL for what is no memory file; -EPERM; -EBUSY where it is `mapped` writable.
int64_t add_seals(File& file, uint32_t seals, bool mapped);
int64_t get_seals(const File& file);

/// Standard input with these bytes, then its end; a pipe to who looks. Null: no objects left.
FilePtr make_input(const StorePtr& store, std::string bytes);
/// Standard output or error: everything written goes to `write`; a pipe to who looks, also when it is opened again
/// through /dev/stdout. Null: no objects left.
FilePtr make_output(const StorePtr& store, std::function<void(std::string_view)> write);

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
  /// epoll_ctl(2) for descriptor `fd`, which is `file`. -EEXIST, -ENOENT, -EINVAL, -ELOOP (four sets deep, or four sets
  /// in one, at most), -ENOSPC, -EPERM (a file that is always ready).
  virtual int64_t change(int operation, int fd, const FilePtr& file, const struct ::epoll_event& event) = 0;
  /// What is ready now, with edges and one-shots used up; how many, 0: nothing.
  virtual int64_t collect(std::span<struct ::epoll_event> out) = 0;
};
int64_t make_epoll(const StorePtr& store, int flags, std::shared_ptr<EpollFile>& out);

}  // namespace shrike::sandbox::microvm
