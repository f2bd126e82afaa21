#pragma once
// What is on its way from one socket to another: bytes, and open files among them.

#include <deque>
#include <memory>
#include <span>
#include <string>

#include "sandbox/microvm/files/account.h"
#include "sandbox/microvm/files/socket.h"

namespace shrike::sandbox::microvm {

/// Files on their way in messages of one guest; given back when they have arrived or their message is dropped.
class Passing {
 public:
  Passing() = default;
  /// Empty where there would be too many on their way.
  static std::optional<Passing> of(const std::shared_ptr<Budget>& budget, std::vector<FilePtr> files);
  Passing(Passing&& other) noexcept = default;
  Passing& operator=(Passing&& other) noexcept;
  ~Passing();
  std::vector<FilePtr> files;

 private:
  std::shared_ptr<Budget> budget_;  // owners: the guest's sockets' state and messages on their way
  size_t count_ = 0;
};

struct Segment {
  std::string bytes;
  size_t taken = 0;  ///< of bytes, by a stream's reader
  Address sender;
  Passing passing;
  uint32_t pid = 0;
};

/// A bounded queue in one direction. Its first 4096 bytes cost nothing of the account, so that sockets go on working
/// when it is used up.
class MessageQueue {
 public:
  static constexpr size_t capacity = 212'992, segments_max = 512;

  explicit MessageQueue(std::shared_ptr<Account> account) : account_(std::move(account)) {}
  MessageQueue(const MessageQueue&) = delete;
  MessageQueue& operator=(const MessageQueue&) = delete;
  ~MessageQueue() { clear(); }

  /// How many bytes may come now.
  [[nodiscard]] size_t free() const;
  [[nodiscard]] bool empty() const { return segments_.empty(); }
  [[nodiscard]] size_t held() const { return held_; }
  [[nodiscard]] size_t first_bytes() const { return segments_.empty() ? 0 : segments_.front().bytes.size(); }
  void push(Segment segment);
  /// The same for a stream, where bytes that came together with nothing else may be joined.
  void append(Segment segment);
  /// As recv does of a stream: as much as fits, not past files that came with bytes.
  int64_t take_stream(std::span<std::byte> out, Message& message, bool peek);
  /// As recv does of messages: one, its rest is lost; `whole`: tell its true length (MSG_TRUNC).
  int64_t take_message(std::span<std::byte> out, Message& message, bool peek, bool whole);
  void clear();

  uint64_t pushed = 0, popped = 0;  ///< activity

 private:
  void settle();

  std::shared_ptr<Account> account_;  // owners: the file system and everything that takes from it
  std::deque<Segment> segments_;
  size_t held_ = 0;
  uint64_t charged_ = 0;
};

}  // namespace shrike::sandbox::microvm
