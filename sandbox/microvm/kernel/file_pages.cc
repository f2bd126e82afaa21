#include "sandbox/microvm/kernel/file_pages.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t around_pages = 16;
}

FilePages::~FilePages() {
  for (const auto& [node, file] : by_node_)
    for (const auto& [page, frame] : file.frames) physical_.release(frame);
}

Frame FilePages::peek(const Node* node, uint64_t page) const {
  const auto file = by_node_.find(node);
  if (file == by_node_.end()) return 0;
  const auto frame = file->second.frames.find(page);
  return frame == file->second.frames.end() ? 0 : frame->second;
}

FilePages::State FilePages::get(const std::shared_ptr<Node>& node, uint64_t page, Frame& frame) {
  frame = peek(node.get(), page);
  if (frame != 0) return State::ok;
  const uint64_t first = page / around_pages * around_pages;
  if (first > UINT64_MAX / page_bytes / 2) return State::past_end;
  std::vector<std::byte> bytes(around_pages * page_bytes);
  const int64_t got = files_.read(*node, first * page_bytes, bytes);
  if (got < 0) return State::unreadable;
  bytes.resize(std::min<size_t>(static_cast<size_t>(got), bytes.size()));
  if ((page - first) * page_bytes >= bytes.size()) return State::past_end;
  if (pages_ + around_pages > most_pages_) reclaim();
  const auto wanted = allocate();
  if (!wanted) return State::no_memory;
  File& file = by_node_[node.get()];
  file.node = node;
  for (uint64_t i = 0; i * page_bytes < bytes.size(); ++i) {
    if (file.frames.contains(first + i)) continue;
    const auto fresh = first + i == page ? wanted : physical_.allocate();
    if (!fresh) continue;
    std::memcpy(physical_.bytes(*fresh).data(), &bytes[i * page_bytes],
                std::min<size_t>(page_bytes, bytes.size() - i * page_bytes));
    file.frames.emplace(first + i, *fresh);
    ++pages_;
  }
  frame = *wanted;
  return State::ok;
}

std::optional<Frame> FilePages::allocate() {
  const auto frame = physical_.allocate();
  return frame || reclaim() == 0 ? frame : physical_.allocate();
}

void FilePages::forget(const Node* node) {
  const auto file = by_node_.find(node);
  if (file == by_node_.end()) return;
  for (const auto& [page, frame] : file->second.frames) physical_.release(frame);
  pages_ -= file->second.frames.size();
  by_node_.erase(file);
}

size_t FilePages::reclaim() {
  size_t given_back = 0;
  for (auto file = by_node_.begin(); file != by_node_.end();) {
    given_back += std::erase_if(file->second.frames, [&](const auto& entry) {
      if (physical_.users(entry.second) > 1) return false;
      physical_.release(entry.second);
      return true;
    });
    file = file->second.frames.empty() ? by_node_.erase(file) : std::next(file);
  }
  pages_ -= given_back;
  return given_back;
}

}  // namespace shrike::sandbox::microvm
