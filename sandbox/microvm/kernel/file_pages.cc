#include "sandbox/microvm/kernel/file_pages.h"

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
  if (pages_ + around_pages > most_pages_) reclaim();
  const auto wanted = allocate();
  if (!wanted) return State::no_memory;
  File& file = by_node_[node.get()];
  file.node = node;
  // The page asked for always, those around it where there is memory for them.
  std::vector<std::pair<uint64_t, Frame>> fresh;
  for (uint64_t number = first; number < first + around_pages; ++number) {
    if (number == page) {
      fresh.emplace_back(number, *wanted);
    } else if (!file.frames.contains(number)) {
      if (const auto around = physical_.allocate()) fresh.emplace_back(number, *around);
    }
  }
  const State state = read_into(file, fresh);
  if (state != State::ok) return state;
  const auto there = file.frames.find(page);
  if (there == file.frames.end()) return State::past_end;
  frame = there->second;
  return State::ok;
}

// Neighbours in the file that are neighbours in memory are read at once. Frames that nothing was read into go back.
FilePages::State FilePages::read_into(File& file, const std::vector<std::pair<uint64_t, Frame>>& fresh) {
  State state = State::ok;
  for (size_t at = 0; at < fresh.size();) {
    const auto [number, frame] = fresh[at];
    size_t count = 1;
    while (at + count < fresh.size() && fresh[at + count].first == number + count &&
           fresh[at + count].second == frame + count)
      ++count;
    const std::span<std::byte> into(physical_.host() + frame * page_bytes, count * page_bytes);
    const int64_t got = state == State::ok ? files_.read(*file.node, number * page_bytes, into) : 0;
    if (got < 0) state = State::unreadable;
    const uint64_t pages = got < 0 ? 0 : (static_cast<uint64_t>(got) + page_bytes - 1) / page_bytes;
    for (size_t i = 0; i < count; ++i) {
      const auto [each, its] = fresh[at + i];
      if (i < pages)
        file.frames.emplace(each, its), ++pages_;
      else
        physical_.release(its);
    }
    at += count;
  }
  return state;
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
