#include "sandbox/microvm/files/content.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"

namespace shrike::sandbox::microvm {

Content::Content(std::shared_ptr<Account> account, std::string bytes)
    : account_(std::move(account)), size_(bytes.size()), bytes_(std::move(bytes)), below_end_(size_) {}

Content::Content(std::shared_ptr<Account> account, Tree& tree, uint64_t file, uint64_t size_bytes)
    : account_(std::move(account)),
      size_(std::min(size_bytes, file_size_max)),
      tree_(&tree),
      file_(file),
      below_end_(size_) {}

Content::~Content() { account_->bytes.give_back(pages_.size() * page_size); }

uint64_t Content::allocated_bytes() const {
  return pages_.size() * page_size + (below_end_ + page_size - 1) / page_size * page_size;
}

int64_t Content::read_below(uint64_t at, std::span<std::byte> out) const {
  size_t got = 0;
  if (at < below_end_) {
    const auto wanted = out.first(std::min<uint64_t>(out.size(), below_end_ - at));
    if (tree_ != nullptr) {
      auto read = tree_->read(file_, at, wanted);
      if (!read.ok()) return -EIO;
      got = *read;
    } else {
      got = wanted.size();
      copy_bytes(wanted.data(), bytes_.data() + at, got);
    }
  }
  std::fill(out.begin() + static_cast<ptrdiff_t>(got), out.end(), std::byte{0});
  return 0;
}

int64_t Content::read(uint64_t at, std::span<std::byte> out) const {
  if (at >= size_) return 0;
  out = out.first(std::min<uint64_t>(out.size(), size_ - at));
  const uint64_t end = at + out.size();
  auto page = pages_.lower_bound(at / page_size);
  while (at < end) {
    std::span<std::byte> part = out.last(end - at);
    if (page != pages_.end() && page->first == at / page_size) {
      const uint64_t offset = at % page_size;
      part = part.first(std::min<uint64_t>(part.size(), page_size - offset));
      copy_bytes(part.data(), page->second->data() + offset, part.size());
      ++page;
    } else {
      if (page != pages_.end()) part = part.first(std::min<uint64_t>(part.size(), page->first * page_size - at));
      if (const int64_t error = read_below(at, part); error < 0) return error;
    }
    at += part.size();
  }
  return static_cast<int64_t>(out.size());
}

int64_t Content::page_for_write(uint64_t page, bool whole, PageBytes*& out) {
  auto known = pages_.lower_bound(page);
  if (known == pages_.end() || known->first != page) {
    if (!account_->bytes.take(page_size)) return -ENOSPC;
    auto bytes = std::make_unique<PageBytes>();
    const int64_t error = whole ? 0 : read_below(page * page_size, *bytes);
    if (error < 0) {
      account_->bytes.give_back(page_size);
      return error;
    }
    known = pages_.emplace_hint(known, page, std::move(bytes));
  }
  out = known->second.get();
  return 0;
}

int64_t Content::write(uint64_t at, std::span<const std::byte> in) {
  if (in.empty()) return 0;
  if (at >= file_size_max) return -EFBIG;
  in = in.first(std::min<uint64_t>(in.size(), file_size_max - at));
  size_t done = 0;
  while (done < in.size()) {
    const uint64_t offset = (at + done) % page_size;
    const size_t count = std::min<uint64_t>(in.size() - done, page_size - offset);
    PageBytes* page = nullptr;
    if (const int64_t error = page_for_write((at + done) / page_size, count == page_size, page); error < 0) {
      if (done == 0) return error;
      break;
    }
    copy_bytes(page->data() + offset, in.data() + done, count);
    done += count;
  }
  size_ = std::max(size_, at + done);
  account_->written_bytes += done;
  return static_cast<int64_t>(done);
}

int64_t Content::resize(uint64_t size) {
  if (size > file_size_max) return -EFBIG;
  if (size < size_) {
    const uint64_t offset = size % page_size;
    const auto page = pages_.find(size / page_size);
    if (offset != 0 && page != pages_.end())
      std::fill(page->second->begin() + static_cast<ptrdiff_t>(offset), page->second->end(), std::byte{0});
    drop_pages((size + page_size - 1) / page_size, UINT64_MAX);
    below_end_ = std::min(below_end_, size);
  }
  size_ = size;
  return 0;
}

int64_t Content::punch(uint64_t at, uint64_t length) {
  if (at >= size_) return 0;
  const uint64_t end = at + std::min(length, size_ - at);
  while (at < end) {
    const uint64_t page = at / page_size, offset = at % page_size;
    const bool below = page * page_size < below_end_;
    if (!below && offset == 0 && end - at >= page_size) {  // holes are free: all whole pages at once
      drop_pages(page, end / page_size);
      at = end / page_size * page_size;
      continue;
    }
    const uint64_t count = std::min(end - at, page_size - offset);
    if (below || pages_.contains(page)) {
      PageBytes* bytes = nullptr;
      if (const int64_t error = page_for_write(page, count == page_size, bytes); error < 0) return error;
      std::fill_n(bytes->begin() + static_cast<ptrdiff_t>(offset), count, std::byte{0});
    }
    at += count;
  }
  return 0;
}

bool Content::has_room(uint64_t at, uint64_t length) const {
  const uint64_t first = at / page_size, last = (at + length + page_size - 1) / page_size;
  const auto there = std::distance(pages_.lower_bound(first), pages_.lower_bound(last));
  return last - first - static_cast<uint64_t>(there) <= account_->bytes.left() / page_size;
}

void Content::drop_pages(uint64_t first, uint64_t last) {
  const auto begin = pages_.lower_bound(first), end = pages_.lower_bound(last);
  account_->bytes.give_back(static_cast<uint64_t>(std::distance(begin, end)) * page_size);
  pages_.erase(begin, end);
}

uint64_t Content::next_data(uint64_t at) const {
  if (at < below_end_) return at;
  const auto page = pages_.lower_bound(at / page_size);
  return page == pages_.end() ? size_ : std::min(size_, std::max(at, page->first * page_size));
}

uint64_t Content::next_hole(uint64_t at) const {
  at = std::max(at, std::min(below_end_, size_));
  for (auto page = pages_.find(at / page_size); page != pages_.end() && page->first == at / page_size; ++page)
    at = (page->first + 1) * page_size;
  return std::min(at, size_);
}

}  // namespace shrike::sandbox::microvm
