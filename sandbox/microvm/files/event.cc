// eventfd, and the nodes of what is in no folder.

#include <fcntl.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

namespace {

class AnonymousNode final : public Node {
 public:
  AnonymousNode(StorePtr store, std::string_view name, Share object)
      : Node(std::move(store), 0600, Volume::anonymous), name_(name), object_(std::move(object)) {}
  [[nodiscard]] std::string own_name() const override { return "anon_inode:[" + name_ + "]"; }

 private:
  std::string name_;
  Share object_;
};

class EventFile final : public File {
 public:
  EventFile(NodePtr node, uint64_t count, bool semaphore)
      : node_(std::move(node)), count_(count), semaphore_(semaphore) {}

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    if (out.size() < sizeof count_) return -EINVAL;
    if (count_ == 0) return -EAGAIN;
    const uint64_t got = semaphore_ ? 1 : count_;
    count_ -= got;
    ++read_;
    std::memcpy(out.data(), &got, sizeof got);
    return sizeof got;
  }

  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    uint64_t more = 0;
    if (in.size() < sizeof more) return -EINVAL;
    std::memcpy(&more, in.data(), sizeof more);
    if (more == UINT64_MAX) return -EINVAL;
    if (more > UINT64_MAX - 1 - count_) return -EAGAIN;
    count_ += more;
    ++written_;
    return sizeof more;
  }

  [[nodiscard]] uint32_t poll() const override {
    return (count_ > 0 ? POLLIN : 0u) | (count_ < UINT64_MAX - 1 ? POLLOUT : 0u);
  }
  [[nodiscard]] uint64_t activity(uint32_t events) const override {
    return ((events & POLLIN) != 0 ? written_ : 0) + ((events & POLLOUT) != 0 ? read_ : 0);
  }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  NodePtr node_;
  uint64_t count_;
  bool semaphore_;
  uint64_t read_ = 0, written_ = 0;
};

}  // namespace

NodePtr anonymous_node(const StorePtr& store, std::string_view name) {
  Share object = Share::of(store->account, &Account::objects);
  if (!object) return nullptr;
  return std::make_shared<AnonymousNode>(store, name, std::move(object));
}

int64_t make_event(const StorePtr& store, uint32_t start, int flags, FilePtr& out) {
  if ((flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) != 0) return -EINVAL;
  NodePtr node = anonymous_node(store, "eventfd");
  if (!node) return -ENFILE;
  out = std::make_shared<EventFile>(std::move(node), start, (flags & EFD_SEMAPHORE) != 0);
  out->flags = O_RDWR | static_cast<uint32_t>(flags & EFD_NONBLOCK);
  return 0;
}

}  // namespace shrike::sandbox::microvm
