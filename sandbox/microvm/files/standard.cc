// What a job's first process has as standard input, output and error.

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"
#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

namespace {

/// A pipe to whoever looks, with its other end outside.
class OuterNode : public Node {
 public:
  OuterNode(StorePtr store, Share object)
      : Node(std::move(store), S_IFIFO | 0600, Volume::pipes), object_(std::move(object)) {}
  [[nodiscard]] std::string own_name() const override { return "pipe:[" + std::to_string(number()) + "]"; }

 private:
  Share object_;
};

class InputNode final : public OuterNode {
 public:
  InputNode(StorePtr store, Share object, std::string bytes)
      : OuterNode(std::move(store), std::move(object)), bytes_(std::move(bytes)) {}
  int64_t open(int flags, FilePtr& out) override;
  int64_t take(std::span<std::byte> out) {
    const size_t count = std::min(out.size(), left());
    copy_bytes(out.data(), bytes_.data() + at_, count);
    at_ += count;
    return static_cast<int64_t>(count);
  }
  [[nodiscard]] size_t left() const { return bytes_.size() - at_; }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

class InputFile final : public File {
 public:
  explicit InputFile(std::shared_ptr<InputNode> node) : node_(std::move(node)) {}
  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    return at ? -ESPIPE : node_->take(out);
  }
  int64_t write(std::span<const std::byte>, std::optional<uint64_t>) override { return -EBADF; }
  [[nodiscard]] uint32_t poll() const override { return POLLHUP | (node_->left() > 0 ? POLLIN | POLLRDNORM : 0u); }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  std::shared_ptr<InputNode> node_;
};

int64_t InputNode::open(int flags, FilePtr& out) {
  if ((flags & O_ACCMODE) != O_RDONLY) return -EACCES;
  out = std::make_shared<InputFile>(std::static_pointer_cast<InputNode>(shared_from_this()));
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

using Write = std::function<void(std::string_view)>;

class OutputNode final : public OuterNode {
 public:
  OutputNode(StorePtr store, Share object, Write write)
      : OuterNode(std::move(store), std::move(object)), write_(std::move(write)) {}
  int64_t open(int flags, FilePtr& out) override;
  void put(std::string_view bytes) { write_(bytes); }

 private:
  Write write_;
};

class OutputFile final : public File {
 public:
  explicit OutputFile(std::shared_ptr<OutputNode> node) : node_(std::move(node)) {}
  int64_t read(std::span<std::byte>, std::optional<uint64_t>) override { return -EBADF; }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    node_->put({reinterpret_cast<const char*>(in.data()), in.size()});
    return static_cast<int64_t>(in.size());
  }
  [[nodiscard]] uint32_t poll() const override { return POLLOUT | POLLWRNORM; }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  std::shared_ptr<OutputNode> node_;
};

int64_t OutputNode::open(int flags, FilePtr& out) {
  if ((flags & O_ACCMODE) == O_RDONLY) return -EACCES;
  out = std::make_shared<OutputFile>(std::static_pointer_cast<OutputNode>(shared_from_this()));
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

}  // namespace

FilePtr make_input(const StorePtr& store, std::string bytes) {
  Share object = Share::of(store->account, &Account::objects);
  FilePtr file;
  if (object) std::make_shared<InputNode>(store, std::move(object), std::move(bytes))->open(O_RDONLY, file);
  return file;
}

FilePtr make_output(const StorePtr& store, Write write) {
  Share object = Share::of(store->account, &Account::objects);
  FilePtr file;
  if (object) std::make_shared<OutputNode>(store, std::move(object), std::move(write))->open(O_WRONLY, file);
  return file;
}

}  // namespace shrike::sandbox::microvm
