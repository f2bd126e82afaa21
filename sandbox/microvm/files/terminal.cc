#include "sandbox/microvm/files/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/generated.h"

namespace shrike::sandbox::microvm {

namespace {

using LinePtr = std::shared_ptr<TerminalLine>;

constexpr uint32_t terminals_max = 64;

class SlaveFile final : public File {
 public:
  SlaveFile(NodePtr node, LinePtr line) : node_(std::move(node)), line_(std::move(line)) {
    ++line_->slaves;
    ++line_->moved;
    line_->was_open = true;
  }
  ~SlaveFile() override {
    --line_->slaves;
    ++line_->moved;
  }
  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    if (!readable()) return -EBADF;
    if (line_->readable_inside()) return line_->read_inside(out);
    return line_->masters == 0 ? 0 : -EAGAIN;
  }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    if (!writable()) return -EBADF;
    if (line_->masters == 0) return -EIO;
    return line_->print({reinterpret_cast<const char*>(in.data()), in.size()});
  }
  [[nodiscard]] uint32_t poll() const override {
    if (line_->masters == 0) return POLLHUP | POLLIN | POLLOUT;
    return (line_->readable_inside() ? POLLIN | POLLRDNORM : 0u) | (line_->has_room() ? POLLOUT | POLLWRNORM : 0u);
  }
  int64_t control(uint64_t command, uint64_t, std::span<std::byte> argument) override {
    return line_->control(command, argument);
  }
  [[nodiscard]] uint64_t activity(uint32_t) const override { return line_->moved; }
  [[nodiscard]] bool writes_whole() const override { return true; }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  NodePtr node_;
  LinePtr line_;
};

/// /dev/pts/N.
class SlaveNode final : public Node {
 public:
  SlaveNode(const StorePtr& store, uint32_t number, LinePtr line)
      : Node(store, S_IFCHR | 0620, Volume::devices), line_(std::move(line)) {
    change_attributes().device = makedev(136, number);
  }
  int64_t open(int flags, FilePtr& out) override {
    if (line_->locked || line_->masters == 0) return -EIO;
    out = std::make_shared<SlaveFile>(shared_from_this(), line_);
    out->flags = static_cast<uint32_t>(flags);
    return 0;
  }

 private:
  LinePtr line_;
};

/// The terminals that there are; /dev/pts is made of them. Owners: the nodes of /dev/ptmx and /dev/pts, masters.
struct Terminals {
  const GuestView& view;
  std::map<uint32_t, NodePtr> slaves;
};
using TerminalsPtr = std::shared_ptr<Terminals>;

class MasterFile final : public File {
 public:
  MasterFile(NodePtr node, LinePtr line, uint32_t number, std::weak_ptr<Terminals> all, Share object)
      : node_(std::move(node)),
        line_(std::move(line)),
        number_(number),
        all_(std::move(all)),
        object_(std::move(object)) {
    ++line_->masters;
  }
  ~MasterFile() override {
    --line_->masters;
    ++line_->moved;
    if (const auto all = all_.lock()) all->slaves.erase(number_);
  }
  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    if (!line_->outside().empty()) return line_->read_outside(out);
    return left() ? -EIO : -EAGAIN;
  }
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override {
    if (at) return -ESPIPE;
    return line_->type({reinterpret_cast<const char*>(in.data()), in.size()});
  }
  [[nodiscard]] uint32_t poll() const override {
    return (left() ? POLLHUP : 0u) | (line_->outside().empty() ? 0u : POLLIN | POLLRDNORM) |
           (line_->has_room() ? POLLOUT | POLLWRNORM : 0u);
  }
  int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument) override {
    if (command == TIOCGPTN || command == TIOCSPTLCK) {
      uint32_t word = number_;
      if (argument.size() < sizeof word) return -EFAULT;
      if (command == TIOCGPTN) {
        std::memcpy(argument.data(), &word, sizeof word);
      } else {
        std::memcpy(&word, argument.data(), sizeof word);
        line_->locked = word != 0;
      }
      return 0;
    }
    if (command == FIONREAD) {
      const int held = static_cast<int>(line_->outside().size());
      if (argument.size() < sizeof held) return -EFAULT;
      std::memcpy(argument.data(), &held, sizeof held);
      return 0;
    }
    return command == TIOCSCTTY ? File::control(command, value, argument) : line_->control(command, argument);
  }
  [[nodiscard]] uint64_t activity(uint32_t) const override { return line_->moved; }
  [[nodiscard]] bool writes_whole() const override { return true; }
  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  [[nodiscard]] bool left() const { return line_->was_open && line_->slaves == 0; }
  NodePtr node_;
  LinePtr line_;
  uint32_t number_;
  std::weak_ptr<Terminals> all_;
  Share object_;
};

/// /dev/ptmx: each open is a new terminal.
class MultiplexerNode final : public Node {
 public:
  MultiplexerNode(const StorePtr& store, TerminalsPtr all)
      : Node(store, S_IFCHR | 0666, Volume::devices), all_(std::move(all)) {
    change_attributes().device = makedev(5, 2);
  }
  int64_t open(int flags, FilePtr& out) override {
    Share object = Share::of(store()->account, &Account::objects);
    uint32_t number = 0;
    while (all_->slaves.contains(number)) ++number;
    if (!object || number >= terminals_max) return -ENOSPC;
    auto line = std::make_shared<TerminalLine>(all_->view);
    all_->slaves[number] = std::make_shared<SlaveNode>(store(), number, line);
    out = std::make_shared<MasterFile>(shared_from_this(), line, number, all_, std::move(object));
    out->flags = static_cast<uint32_t>(flags);
    return 0;
  }

 private:
  TerminalsPtr all_;
};

}  // namespace

void mount_terminals(FileSystem& files, const GuestView& view) {
  const StorePtr& store = files.store();
  const auto all = std::make_shared<Terminals>(Terminals{view, {}});
  const auto multiplexer = std::make_shared<MultiplexerNode>(store, all);
  auto folder = std::make_shared<GeneratedFolder>(store, Volume::devices, 0755);
  const auto make = [all](std::string_view name) -> NodePtr {
    for (const auto& [number, node] : all->slaves)
      if (std::to_string(number) == name) return node;
    return nullptr;
  };
  const auto list = [all] {
    std::vector<GeneratedFolder::Listed> out;
    for (const auto& [number, node] : all->slaves) out.push_back({std::to_string(number), S_IFCHR});
    return out;
  };
  folder->set_changing(make, list, 7);
  files.put_node("/dev/ptmx", multiplexer);
  files.put_node("/dev/pts", folder, true);
}

}  // namespace shrike::sandbox::microvm
