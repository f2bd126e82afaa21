#include <fcntl.h>

#include <cerrno>
#include <list>

#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t entries_max = 4096,
                 entry_cost = 512;  // of one set; bytes of the account's buffers, with a closed file's, about
// Asking a set whether it is ready asks all that it holds: sets in sets multiply, so there may be few of them.
constexpr size_t sets_in_set_max = 4;
constexpr int depth_max = 4;

constexpr uint32_t always = EPOLLERR | EPOLLHUP;
constexpr uint32_t modes = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

class Epoll final : public EpollFile {
 public:
  Epoll(NodePtr node, std::shared_ptr<Account> account) : node_(std::move(node)), account_(std::move(account)) {}
  ~Epoll() override { account_->buffers.give_back(entries_.size() * entry_cost); }

  int64_t change(int operation, int fd, const FilePtr& file, const struct ::epoll_event& event) override {
    if (file.get() == this) return -EINVAL;
    const uint32_t type = file->node()->type();
    if (type == S_IFREG || type == S_IFDIR) return -EPERM;
    prune();
    auto entry = entries_.begin();
    while (entry != entries_.end() && !(entry->fd == fd && entry->file.lock() == file)) ++entry;
    const bool known = entry != entries_.end();
    switch (operation) {
      case EPOLL_CTL_ADD:
        return known ? -EEXIST : add(fd, file, event);
      case EPOLL_CTL_MOD:
        if (!known) return -ENOENT;
        if ((event.events & EPOLLEXCLUSIVE) != 0 || (entry->events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
        entry->events = event.events;
        entry->data = event.data.u64;
        entry->armed = true;
        entry->seen.reset();
        ++changes_;
        return 0;
      case EPOLL_CTL_DEL:
        if (!known) return -ENOENT;
        entries_.erase(entry);
        account_->buffers.give_back(entry_cost);
        return 0;
      default:
        return -EINVAL;
    }
  }

  int64_t collect(std::span<struct ::epoll_event> out) override {
    prune();
    size_t count = 0;
    // What was told goes to the end, so that nobody is forgotten when there is always more than fits.
    for (size_t left = entries_.size(); left > 0 && count < out.size(); --left) {
      const auto entry = entries_.begin();
      const uint32_t ready = ready_of(*entry);
      if (ready != 0) {
        out[count].events = ready;
        out[count].data.u64 = entry->data;
        ++count;
        if ((entry->events & EPOLLET) != 0) entry->seen = activity_of(*entry);
        if ((entry->events & EPOLLONESHOT) != 0) entry->armed = false;
      }
      entries_.splice(entries_.end(), entries_, entry);
    }
    return static_cast<int64_t>(count);
  }

  [[nodiscard]] uint32_t poll() const override {
    for (const Entry& entry : entries_)
      if (ready_of(entry) != 0) return POLLIN | POLLRDNORM;
    return 0;
  }

  [[nodiscard]] std::optional<uint64_t> wakes_at() const override {
    std::optional<uint64_t> first;
    for (const Entry& entry : entries_) {
      const FilePtr file = entry.file.lock();
      const auto when = file && entry.armed ? file->wakes_at() : std::nullopt;
      if (when && (!first || *when < *first)) first = when;
    }
    return first;
  }

  [[nodiscard]] uint64_t activity(uint32_t) const override {
    uint64_t sum = changes_;
    for (const Entry& entry : entries_) sum += activity_of(entry);
    return sum;
  }

  [[nodiscard]] NodePtr node() const override { return node_; }

  /// How deep sets are in this one, itself counted; more than depth_max where `other` is among them.
  [[nodiscard]] int depth(const Epoll& other) const {
    if (this == &other) return depth_max + 1;
    int deepest = 0;
    for (const Entry& entry : entries_)
      if (const auto set = std::dynamic_pointer_cast<Epoll>(entry.file.lock()))
        deepest = std::max(deepest, set->depth(other));
    return deepest + 1;
  }

 private:
  struct Entry {
    int fd = -1;
    std::weak_ptr<File> file;  // a set does not keep its files open
    uint32_t events = 0;
    uint64_t data = 0;
    bool armed = true;
    std::optional<uint64_t> seen;  // activity when it was told last
  };

  int64_t add(int fd, const FilePtr& file, const struct ::epoll_event& event) {
    if ((event.events & EPOLLEXCLUSIVE) != 0 && (event.events & EPOLLONESHOT) != 0) return -EINVAL;
    if (const auto* set = dynamic_cast<const Epoll*>(file.get())) {
      if ((event.events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
      if (sets_ >= sets_in_set_max || level_ + set->depth(*this) > depth_max) return -ELOOP;
    }
    if (entries_.size() >= entries_max || !account_->buffers.take(entry_cost)) return -ENOSPC;
    if (auto* set = dynamic_cast<Epoll*>(file.get())) {
      ++sets_;
      set->raise(level_ + 1);
    }
    entries_.push_back({fd, file, event.events, event.data.u64, true, {}});
    ++changes_;
    return 0;
  }

  /// This set is in another now, so many levels below the outermost; never goes back, which only refuses more.
  void raise(int level) {
    if (level <= level_) return;
    level_ = level;
    for (const Entry& entry : entries_)
      if (const auto set = std::dynamic_pointer_cast<Epoll>(entry.file.lock())) set->raise(level + 1);
  }

  void prune() {
    const size_t before = entries_.size();
    entries_.remove_if([](const Entry& entry) { return entry.file.expired(); });
    account_->buffers.give_back((before - entries_.size()) * entry_cost);
  }

  static uint64_t activity_of(const Entry& entry) {
    const FilePtr file = entry.file.lock();
    return file ? file->activity((entry.events & ~modes) | always) : 0;
  }

  static uint32_t ready_of(const Entry& entry) {
    if (!entry.armed) return 0;
    const FilePtr file = entry.file.lock();
    if (!file) return 0;
    const uint32_t ready = file->poll() & ((entry.events & ~modes) | always);
    if (ready == 0 || ((entry.events & EPOLLET) != 0 && entry.seen == activity_of(entry))) return 0;
    return ready;
  }

  NodePtr node_;
  std::shared_ptr<Account> account_;  // owners: the file system and everything that takes from it
  std::list<Entry> entries_;
  uint64_t changes_ = 0;
  size_t sets_ = 0;  // ever added, removed ones too
  int level_ = 0;
};

}  // namespace

int64_t make_epoll(const StorePtr& store, int flags, std::shared_ptr<EpollFile>& out) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return -EINVAL;
  NodePtr node = anonymous_node(store, "eventpoll");
  if (!node) return -ENFILE;
  out = std::make_shared<Epoll>(std::move(node), store->account);
  out->flags = O_RDWR;
  return 0;
}

}  // namespace shrike::sandbox::microvm
