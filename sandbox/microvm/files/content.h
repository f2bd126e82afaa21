#pragma once
// The bytes of a regular file: pages that the guest has written, above what was there before, with holes between.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "sandbox/microvm/files/account.h"
#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

inline constexpr uint64_t file_size_max = INT64_MAX;  ///< as tmpfs has it

class Content {
 public:
  /// Empty.
  explicit Content(std::shared_ptr<Account> account) : account_(std::move(account)) {}
  /// Above `bytes`, which are on nobody's account.
  Content(std::shared_ptr<Account> account, std::string bytes);
  /// Above `file` of a tree, which outlives this.
  Content(std::shared_ptr<Account> account, Tree& tree, uint64_t file, uint64_t size_bytes);
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;
  ~Content();

  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] uint64_t allocated_bytes() const;
  /// How many bytes, 0 at the end, or -EIO when the tree fails.
  int64_t read(uint64_t at, std::span<std::byte> out) const;
  /// How many bytes, or -ENOSPC when not even one fits into the quota, -EFBIG, -EIO.
  int64_t write(uint64_t at, std::span<const std::byte> in);
  /// Cuts, or grows by a hole. -EFBIG; -ENOSPC, -EIO where the page that is cut cannot be made.
  int64_t resize(uint64_t size);
  /// Zeroes a range within the size, giving back its pages.
  int64_t punch(uint64_t at, uint64_t length);
  /// Whether the quota would have room for all of a range that has no pages yet.
  [[nodiscard]] bool has_room(uint64_t at, uint64_t length) const;
  /// The next offset from `at` on with data, or without; size() for the end.
  [[nodiscard]] uint64_t next_data(uint64_t at) const;
  [[nodiscard]] uint64_t next_hole(uint64_t at) const;

 private:
  static constexpr uint64_t page_size = 4096;
  using PageBytes = std::array<std::byte, page_size>;

  int64_t read_below(uint64_t at, std::span<std::byte> out) const;
  int64_t page_for_write(uint64_t page, bool whole, PageBytes*& out);
  void drop_pages(uint64_t first, uint64_t last);

  std::shared_ptr<Account> account_;  // owners: the file system and everything that takes from it
  std::map<uint64_t, std::unique_ptr<PageBytes>> pages_;
  uint64_t size_ = 0;
  // What is below: bytes, or a file of a tree; it shows up to below_end_.
  std::string bytes_;
  Tree* tree_ = nullptr;
  uint64_t file_ = 0, below_end_ = 0;
};

}  // namespace shrike::sandbox::microvm
