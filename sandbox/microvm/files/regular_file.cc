// Open regular files, and what O_PATH opens.

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/locks.h"
#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

namespace {

bool in_range(uint64_t at, uint64_t count) { return at <= file_size_max && count <= file_size_max - at; }

class RegularFile final : public File {
 public:
  explicit RegularFile(std::shared_ptr<FileNode> node) : node_(std::move(node)) {}
  ~RegularFile() override {
    if (LockTable* locks = node_->known_locks()) locks->release_file(*this);
  }

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (!readable()) return -EBADF;
    if (!in_range(at.value_or(position_), out.size())) return -EINVAL;
    const int64_t got = node_->content().read(at.value_or(position_), out);
    if (got > 0 && !at) position_ += static_cast<uint64_t>(got);
    return got;
  }

  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override {
    if (!writable()) return -EBADF;
    if (!in_range(at.value_or(position_), in.size())) return -EINVAL;
    Content& content = node_->content();
    // As on Linux, O_APPEND wins over pwrite's offset.
    const uint64_t begin = (flags & O_APPEND) != 0 ? content.size() : at.value_or(position_);
    if ((node_->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) return -EPERM;
    if ((node_->seals & F_SEAL_GROW) != 0 && begin + in.size() > content.size()) return -EPERM;
    const int64_t put = content.write(begin, in);
    if (put > 0) {
      node_->changed = true;
      node_->touch();
      if (!at) position_ = begin + static_cast<uint64_t>(put);
    }
    return put;
  }

  int64_t seek(int64_t offset, int whence) override {
    const Content& content = node_->content();
    const auto size = static_cast<int64_t>(content.size());
    int64_t base = 0;
    switch (whence) {
      case SEEK_SET:
        break;
      case SEEK_CUR:
        base = static_cast<int64_t>(position_);
        break;
      case SEEK_END:
        base = size;
        break;
      case SEEK_DATA:
      case SEEK_HOLE: {
        if (offset < 0 || offset >= size) return -ENXIO;
        const auto from = static_cast<uint64_t>(offset);
        const uint64_t found = whence == SEEK_DATA ? content.next_data(from) : content.next_hole(from);
        if (whence == SEEK_DATA && found >= content.size()) return -ENXIO;
        position_ = found;
        return static_cast<int64_t>(found);
      }
      default:
        return -EINVAL;
    }
    int64_t to = 0;
    if (__builtin_add_overflow(base, offset, &to)) return -EINVAL;
    if (to < 0 || static_cast<uint64_t>(to) > file_size_max) return -EINVAL;
    position_ = static_cast<uint64_t>(to);
    return to;
  }

  int64_t truncate(uint64_t length) override {
    if (!writable()) return -EINVAL;
    Content& content = node_->content();
    const uint32_t seal = length < content.size() ? F_SEAL_SHRINK : length > content.size() ? F_SEAL_GROW : 0;
    if ((node_->seals & seal) != 0) return -EPERM;
    const int64_t error = content.resize(length);
    if (error == 0) node_->changed = true, node_->touch();
    return error;
  }

  int64_t allocate(int mode, uint64_t at, uint64_t length) override {
    if (!writable()) return -EBADF;
    if (length == 0 || at > file_size_max) return length == 0 ? -EINVAL : -EFBIG;
    if (length > file_size_max - at) return -EFBIG;
    Content& content = node_->content();
    const bool clears = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
    constexpr int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    const bool keeps = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    if ((mode & ~known) != 0 ||
        ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)))
      return -EOPNOTSUPP;
    const bool grows = !keeps && at + length > content.size();
    if (grows && (node_->seals & F_SEAL_GROW) != 0) return -EPERM;
    if (clears) {
      if ((node_->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) return -EPERM;
      if (const int64_t error = content.punch(at, length); error < 0) return error;
    } else if (!content.has_room(at, length)) {
      return -ENOSPC;  // room is promised, not taken: who writes it later may still find the quota used up
    }
    if (grows) return truncate(at + length);
    node_->changed = true;
    node_->touch();
    return 0;
  }

  int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument) override {
    if (command != FIONREAD || argument.size() < sizeof(int)) return File::control(command, value, argument);
    const uint64_t size = node_->size();
    const int left = position_ >= size ? 0 : static_cast<int>(std::min<uint64_t>(size - position_, INT32_MAX));
    std::memcpy(argument.data(), &left, sizeof left);
    return 0;
  }

  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  std::shared_ptr<FileNode> node_;
  uint64_t position_ = 0;
};

class PathFile final : public File {
 public:
  explicit PathFile(NodePtr node) : node_(std::move(node)) {}
  int64_t read(std::span<std::byte>, std::optional<uint64_t>) override { return -EBADF; }
  int64_t write(std::span<const std::byte>, std::optional<uint64_t>) override { return -EBADF; }
  int64_t seek(int64_t, int) override { return -EBADF; }
  [[nodiscard]] uint32_t poll() const override { return POLLNVAL; }
  int64_t truncate(uint64_t) override { return -EBADF; }
  int64_t list(std::span<std::byte>) override { return -EBADF; }
  int64_t control(uint64_t, uint64_t, std::span<std::byte>) override { return -EBADF; }
  int64_t allocate(int, uint64_t, uint64_t) override { return -EBADF; }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  NodePtr node_;
};

}  // namespace

int64_t FileNode::open(int flags, FilePtr& out) {
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (writes && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) return -EPERM;
  out = std::make_shared<RegularFile>(std::static_pointer_cast<FileNode>(shared_from_this()));
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

FilePtr path_file(NodePtr node, int flags) {
  auto file = std::make_shared<PathFile>(std::move(node));
  file->flags = static_cast<uint32_t>(flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return file;
}

}  // namespace shrike::sandbox::microvm
