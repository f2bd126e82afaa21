// Character devices by their number. There are no block devices and no terminals: those answer as hosts without.

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

namespace {

class DeviceFile : public File {
 public:
  explicit DeviceFile(NodePtr node) : node_(std::move(node)) {}
  int64_t seek(int64_t, int) override { return 0; }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  NodePtr node_;
};

class NullFile final : public DeviceFile {
 public:
  using DeviceFile::DeviceFile;
  int64_t read(std::span<std::byte>, std::optional<uint64_t>) override { return readable() ? 0 : -EBADF; }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t>) override {
    return writable() ? static_cast<int64_t>(in.size()) : -EBADF;
  }
};

/// /dev/zero and /dev/full.
class ZeroFile final : public DeviceFile {
 public:
  ZeroFile(NodePtr node, bool full) : DeviceFile(std::move(node)), full_(full) {}
  int64_t read(std::span<std::byte> out, std::optional<uint64_t>) override {
    if (!readable()) return -EBADF;
    std::fill(out.begin(), out.end(), std::byte{0});
    return static_cast<int64_t>(out.size());
  }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t>) override {
    if (!writable()) return -EBADF;
    return full_ ? -ENOSPC : static_cast<int64_t>(in.size());
  }

 private:
  bool full_;
};

class RandomFile final : public DeviceFile {
 public:
  RandomFile(NodePtr node, StorePtr store) : DeviceFile(std::move(node)), store_(std::move(store)) {}
  int64_t read(std::span<std::byte> out, std::optional<uint64_t>) override {
    if (!readable()) return -EBADF;
    store_->random(out);
    return static_cast<int64_t>(out.size());
  }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t>) override {
    return writable() ? static_cast<int64_t>(in.size()) : -EBADF;
  }

 private:
  StorePtr store_;
};

}  // namespace

int64_t DeviceNode::open(int flags, FilePtr& out) {
  const uint64_t device = attributes().device;
  if (type() != S_IFCHR) return -ENXIO;
  const NodePtr self = shared_from_this();
  if (major(device) == 1 && minor(device) == 3) {
    out = std::make_shared<NullFile>(self);
  } else if (major(device) == 1 && (minor(device) == 5 || minor(device) == 7)) {
    out = std::make_shared<ZeroFile>(self, minor(device) == 7);
  } else if (major(device) == 1 && (minor(device) == 8 || minor(device) == 9)) {
    out = std::make_shared<RandomFile>(self, store());
  } else {
    return -ENXIO;  // also /dev/tty: no process has a terminal
  }
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

}  // namespace shrike::sandbox::microvm
