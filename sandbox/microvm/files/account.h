#pragma once
// How much the guest may keep in files, pipes and sockets. Whoever takes gives back the same when it goes.

#include <cstdint>
#include <memory>

namespace shrike::sandbox::microvm {

struct FileQuota {
  uint64_t bytes = 64u << 20;         ///< of files' pages, links' targets, attributes
  uint32_t nodes = 4096;              ///< made; each further hard link is one too
  uint64_t buffer_bytes = 32u << 20;  ///< in pipes, sockets and messages on their way, all together
  uint32_t objects = 4096;            ///< pipes, sockets, timers and the like, at once
};

/// One number with a limit.
class Budget {
 public:
  explicit Budget(uint64_t limit) : limit_(limit) {}
  [[nodiscard]] bool take(uint64_t count) {
    if (count > limit_ - used_) return false;
    used_ += count;
    return true;
  }
  void give_back(uint64_t count) { used_ -= count < used_ ? count : used_; }
  [[nodiscard]] uint64_t limit() const { return limit_; }
  /// From now on; never below what is used.
  void set_limit(uint64_t limit) { limit_ = limit > used_ ? limit : used_; }
  [[nodiscard]] uint64_t used() const { return used_; }
  [[nodiscard]] uint64_t left() const { return limit_ - used_; }

 private:
  uint64_t limit_, used_ = 0;
};

struct Account {
  explicit Account(const FileQuota& quota)
      : bytes(quota.bytes), nodes(quota.nodes), buffers(quota.buffer_bytes), objects(quota.objects) {}
  /// For a tree that was made before its job was known.
  void set(const FileQuota& quota) {
    bytes.set_limit(quota.bytes);
    nodes.set_limit(quota.nodes);
    buffers.set_limit(quota.buffer_bytes);
    objects.set_limit(quota.objects);
  }
  Budget bytes, nodes, buffers, objects;
  uint64_t written_bytes = 0;  ///< by the guest to files, rewritten ones each time
};

/// One of something, given back when this goes. Empty when there was none left.
class Share {
 public:
  Share() = default;
  /// `account`'s owners: the file system, and all who hold a share of it.
  static Share of(std::shared_ptr<Account> account, Budget Account::*which) {
    Share share;
    if (((*account).*which).take(1)) share.account_ = std::move(account), share.which_ = which;
    return share;
  }
  Share(Share&& other) noexcept : account_(std::move(other.account_)), which_(other.which_) {}
  Share& operator=(Share&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(which_, other.which_);
    return *this;
  }
  ~Share() {
    if (account_) ((*account_).*which_).give_back(1);
  }
  explicit operator bool() const { return account_ != nullptr; }

 private:
  std::shared_ptr<Account> account_;
  Budget Account::*which_ = nullptr;
};

}  // namespace shrike::sandbox::microvm
