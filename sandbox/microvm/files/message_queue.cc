#include "sandbox/microvm/files/message_queue.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "sandbox/microvm/files/copy.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t unpaid = 4096, overhead = 64;  // bytes free of charge; what a segment costs besides its bytes

}  // namespace

std::optional<Passing> Passing::of(const std::shared_ptr<Budget>& budget, std::vector<FilePtr> files) {
  Passing out;
  if (!budget->take(files.size())) return std::nullopt;
  out.budget_ = budget;
  out.count_ = files.size();
  out.files = std::move(files);
  return out;
}

Passing& Passing::operator=(Passing&& other) noexcept {
  std::swap(files, other.files);
  std::swap(budget_, other.budget_);
  std::swap(count_, other.count_);
  return *this;
}

Passing::~Passing() {
  if (budget_) budget_->give_back(count_);
}

size_t MessageQueue::free() const {
  if (segments_.size() >= segments_max) return 0;
  const size_t room = capacity - std::min(capacity, held_);
  const size_t left = unpaid - std::min(unpaid, held_);
  const uint64_t payable = account_->buffers.left() + left;
  return std::min<uint64_t>(room, payable > overhead ? payable - overhead : 0);
}

void MessageQueue::settle() {
  const uint64_t due = held_ > unpaid ? held_ - unpaid : 0;
  if (due > charged_ && account_->buffers.take(due - charged_)) charged_ = due;
  if (due < charged_) {
    account_->buffers.give_back(charged_ - due);
    charged_ = due;
  }
}

void MessageQueue::push(Segment segment) {
  held_ += segment.bytes.size() + overhead;
  segments_.push_back(std::move(segment));
  ++pushed;
  settle();
}

void MessageQueue::append(Segment segment) {
  const bool plain = segment.passing.files.empty() && !segments_.empty() && segments_.back().passing.files.empty();
  if (!plain || segments_.back().pid != segment.pid || segments_.back().bytes.size() >= 65536) {
    push(std::move(segment));
    return;
  }
  // A stream of single bytes must not cost a segment each.
  segments_.back().bytes += segment.bytes;
  held_ += segment.bytes.size();
  ++pushed;
  settle();
}

int64_t MessageQueue::take_stream(std::span<std::byte> out, Message& message, bool peek) {
  size_t done = 0;
  auto segment = segments_.begin();
  while (segment != segments_.end()) {
    // Files go with the first byte of theirs, and end what one call gives.
    if (!segment->passing.files.empty()) {
      if (done > 0) break;
      message.files = segment->passing.files;
    }
    message.sender = segment->pid;
    const bool had_files = !segment->passing.files.empty();
    const size_t count = std::min(out.size() - done, segment->bytes.size() - segment->taken);
    copy_bytes(out.data() + done, segment->bytes.data() + segment->taken, count);
    done += count;
    if (peek) {
      ++segment;
    } else {
      segment->taken += count;
      held_ -= count;
      segment->passing = Passing();
      if (segment->taken < segment->bytes.size()) break;
      held_ -= overhead;
      segment = segments_.erase(segment);
    }
    if (done == out.size() || had_files) break;
  }
  if (!peek) ++popped;
  settle();
  return static_cast<int64_t>(done);
}

int64_t MessageQueue::take_message(std::span<std::byte> out, Message& message, bool peek, bool whole) {
  Segment& segment = segments_.front();
  const size_t size = segment.bytes.size(), count = std::min(out.size(), size);
  copy_bytes(out.data(), segment.bytes.data(), count);
  message.address = segment.sender;
  message.sender = segment.pid;
  message.files = segment.passing.files;
  if (count < size) message.flags |= MSG_TRUNC;
  if (!peek) {
    held_ -= size + overhead;
    segments_.pop_front();
    ++popped;
    settle();
  }
  return static_cast<int64_t>(whole ? size : count);
}

void MessageQueue::clear() {
  // What goes may hold sockets whose end comes back here.
  std::deque<Segment> doomed;
  doomed.swap(segments_);
  held_ = 0;
  settle();
}

}  // namespace shrike::sandbox::microvm
