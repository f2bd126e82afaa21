#pragma once
// Bytes between files and the program's memory, and how calls wait for files: shared by reads, writes and sockets.

#include "sandbox/microvm/kernel/request.h"

namespace shrike::sandbox::microvm {

/// read(2) and all that read: into `slices`, at `at` or the file's own position.
int64_t read_file(Request& request, const FilePtr& file, std::vector<Slice> slices, std::optional<uint64_t> at);
/// write(2) and all that write.
int64_t write_file(Request& request, const FilePtr& file, const std::vector<Slice>& slices, std::optional<uint64_t> at);
/// Tells the first bytes of what goes to a socket.
void tell_data(Request& request, std::span<const std::byte> bytes);
/// SIGPIPE to `thread` where `result` is -EPIPE; `result`.
int64_t broken_pipe(System& system, Thread& thread, int64_t result);
/// Waits until poll() of `file` has one of `events` (or an error or hang-up) and `attempt` does not say -EAGAIN any
/// more; a file with O_NONBLOCK, or `dont_wait`, is asked once.
int64_t retry(Request& request, const FilePtr& file, uint32_t events, bool dont_wait, std::function<int64_t()> attempt);

}  // namespace shrike::sandbox::microvm
