// Reading and writing open files.

#include <fcntl.h>
#include <sys/uio.h>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/transfer.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t list_most = 256u << 10;

Slice one_slice(const Request& request) { return {request.args[1], std::min(request.args[2], transfer_most)}; }

// pread's and pwrite's; -EINVAL where it is negative.
int64_t position(uint64_t value, std::optional<uint64_t>& at) {
  if (value > INT64_MAX) return -EINVAL;
  at = value;
  return 0;
}

// preadv2's and pwritev2's: -1 is the file's own position.
int64_t position_or_own(uint64_t value, std::optional<uint64_t>& at) {
  return value == UINT64_MAX ? 0 : position(value, at);
}

using Transfer = int64_t (*)(Request&, const FilePtr&, const std::vector<Slice>&, std::optional<uint64_t>);

int64_t read_slices(Request& request, const FilePtr& file, const std::vector<Slice>& slices,
                    std::optional<uint64_t> at) {
  return read_file(request, file, slices, at);
}

int64_t vector_transfer(Request& request, Transfer transfer, std::optional<uint64_t> at) {
  const FilePtr file = request.file(0);
  std::vector<Slice> slices;
  if (!file) return -EBADF;
  if (request.number(2) < 0) return -EINVAL;
  if (const int64_t error = request.memory.slices(request.args[1], request.args[2], slices); error < 0) return error;
  return transfer(request, file, slices, at);
}

int64_t vector_transfer2(Request& request, Transfer transfer) {
  std::optional<uint64_t> at;
  if (const int64_t error = position_or_own(request.args[3], at); error < 0) return error;
  const uint64_t flags = request.args[5];
  if ((flags & ~uint64_t{RWF_HIPRI | RWF_DSYNC | RWF_SYNC}) != 0) return -EOPNOTSUPP;
  return vector_transfer(request, transfer, at);
}
}  // namespace

int64_t on_read(Request& request) { return read_file(request, request.file(0), {one_slice(request)}, std::nullopt); }
int64_t on_write(Request& request) { return write_file(request, request.file(0), {one_slice(request)}, std::nullopt); }

int64_t on_pread64(Request& request) {
  std::optional<uint64_t> at;
  if (const int64_t error = position(request.args[3], at); error < 0) return error;
  return read_file(request, request.file(0), {one_slice(request)}, at);
}

int64_t on_pwrite64(Request& request) {
  std::optional<uint64_t> at;
  if (const int64_t error = position(request.args[3], at); error < 0) return error;
  return write_file(request, request.file(0), {one_slice(request)}, at);
}

int64_t on_readv(Request& request) { return vector_transfer(request, read_slices, std::nullopt); }
int64_t on_writev(Request& request) { return vector_transfer(request, write_file, std::nullopt); }

int64_t on_preadv(Request& request) {
  std::optional<uint64_t> at;
  if (const int64_t error = position(request.args[3], at); error < 0) return error;
  return vector_transfer(request, read_slices, at);
}

int64_t on_pwritev(Request& request) {
  std::optional<uint64_t> at;
  if (const int64_t error = position(request.args[3], at); error < 0) return error;
  return vector_transfer(request, write_file, at);
}

int64_t on_preadv2(Request& request) { return vector_transfer2(request, read_slices); }
int64_t on_pwritev2(Request& request) { return vector_transfer2(request, write_file); }

int64_t on_lseek(Request& request) {
  const FilePtr file = request.file(0);
  if (!file || (file->flags & O_PATH) != 0) return -EBADF;
  return file->seek(static_cast<int64_t>(request.args[1]), request.number(2));
}

int64_t on_getdents64(Request& request) {
  const FilePtr file = request.file(0);
  if (!file || (file->flags & O_PATH) != 0) return -EBADF;
  std::vector<std::byte> records(std::min<size_t>(request.args[2] & 0xffffffff, list_most));
  const int64_t got = file->list(records);
  if (got <= 0) return got;
  return request.memory.write(request.args[1], std::span(records).first(static_cast<size_t>(got))) ? got : -EFAULT;
}

int64_t on_truncate(Request& request) {
  Found found;
  if (const int64_t error = request.find_there(Request::no_folder, 0, true, found); error < 0) return error;
  if (request.args[1] > INT64_MAX) return -EINVAL;
  const int64_t result = request.system.files.truncate(*found.node, request.args[1]);
  if (result == 0) request.system.content_changed(found.node);
  return result;
}

int64_t on_ftruncate(Request& request) {
  const FilePtr file = request.file(0);
  if (!file) return -EBADF;
  if (request.args[1] > INT64_MAX || !file->writable()) return -EINVAL;
  const int64_t result = file->truncate(request.args[1]);
  if (result == 0) request.system.content_changed(file->node());
  return result;
}

int64_t on_fallocate(Request& request) {
  const FilePtr file = request.file(0);
  if (!file || !file->writable()) return -EBADF;
  const uint64_t at = request.args[2], length = request.args[3];
  if (at > INT64_MAX || length == 0 || length > INT64_MAX) return -EINVAL;
  if (at > INT64_MAX - length) return -EFBIG;
  const int64_t result = file->allocate(request.number(1), at, length);
  if (result == 0) request.system.content_changed(file->node());
  return result;
}

namespace {
// Moves bytes from one file to another through us: at most transfer_most, and no more than one write takes.
struct Copy {
  FilePtr from, to;
  std::optional<uint64_t> from_at, to_at;
  uint64_t most = 0;
};

int64_t copy_bytes(Request& request, Copy& copy) {
  if (!request.system.shared_files.empty()) request.system.write_back(*copy.from->node());
  std::vector<std::byte> bytes(std::min(copy.most, transfer_most));
  // From the file's own position only as much is taken as could be written.
  const bool own = !copy.from_at;
  uint64_t at = copy.from_at.value_or(0);
  if (own) {
    const int64_t here = copy.from->seek(0, SEEK_CUR);
    if (here < 0) return here;
    at = static_cast<uint64_t>(here);
  }
  const int64_t got = copy.from->read(bytes, at);
  if (got <= 0) return got;
  const int64_t put = copy.to->write(std::span(bytes).first(static_cast<size_t>(got)), copy.to_at);
  if (put <= 0) return put;
  at += static_cast<uint64_t>(put);
  if (own)
    copy.from->seek(static_cast<int64_t>(at), SEEK_SET);
  else
    copy.from_at = at;
  if (copy.to_at) *copy.to_at += static_cast<uint64_t>(put);
  if (copy.to->node()->is_file()) request.system.content_changed(copy.to->node());
  return put;
}

// A pointer to a position, which is given back moved.
int64_t read_position(Request& request, uint64_t address, std::optional<uint64_t>& at) {
  uint64_t value = 0;
  if (address == 0) return 0;
  if (!request.memory.get(address, value)) return -EFAULT;
  return position(value, at);
}

int64_t give_positions(Request& request, const Copy& copy, uint64_t from, uint64_t to, int64_t result) {
  if (result < 0) return result;
  if (copy.from_at && from != 0 && !request.memory.put(from, *copy.from_at)) return -EFAULT;
  if (copy.to_at && to != 0 && !request.memory.put(to, *copy.to_at)) return -EFAULT;
  return result;
}

// Where the receiver is full, the caller waits for it with nothing taken yet.
int64_t copy_when_ready(Request& request, Copy copy, uint64_t from, uint64_t to) {
  const int64_t result = copy_bytes(request, copy);
  if (result != -EAGAIN || (copy.to->flags & O_NONBLOCK) != 0)
    return broken_pipe(request.system, request.thread, give_positions(request, copy, from, to, result));
  System* system = &request.system;
  Thread* thread = &request.thread;
  Wait wait;
  wait.files = {copy.to};
  wait.again = [system, thread, copy, from, to]() mutable -> std::optional<int64_t> {
    if ((copy.to->poll() & (POLLOUT | POLLERR | POLLHUP)) == 0) return std::nullopt;
    Request later(*system, *thread);
    const int64_t again = copy_bytes(later, copy);
    if (again == -EAGAIN) return std::nullopt;
    return broken_pipe(*system, *thread, give_positions(later, copy, from, to, again));
  };
  wait.restarts = true;
  return request.wait(std::move(wait));
}
}  // namespace

int64_t on_sendfile(Request& request) {
  Copy copy{request.file(1), request.file(0), std::nullopt, std::nullopt, request.args[3]};
  if (!copy.from || !copy.to || !copy.from->readable() || !copy.to->writable()) return -EBADF;
  if (!copy.from->node()->is_file()) return -EINVAL;
  if (const int64_t error = read_position(request, request.args[2], copy.from_at); error < 0) return error;
  return copy_when_ready(request, std::move(copy), request.args[2], 0);
}

int64_t on_copy_file_range(Request& request) {
  Copy copy{request.file(0), request.file(2), std::nullopt, std::nullopt, request.args[4]};
  if (!copy.from || !copy.to || !copy.from->readable() || !copy.to->writable()) return -EBADF;
  if (request.args[5] != 0 || !copy.from->node()->is_file() || !copy.to->node()->is_file()) return -EINVAL;
  if (const int64_t error = read_position(request, request.args[1], copy.from_at); error < 0) return error;
  if (const int64_t error = read_position(request, request.args[3], copy.to_at); error < 0) return error;
  return copy_when_ready(request, std::move(copy), request.args[1], request.args[3]);
}

}  // namespace shrike::sandbox::microvm
