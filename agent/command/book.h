#pragma once
// Which commands were accepted, and what became of each: kept over restarts, so that each is carried out once.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/command_news.h"

namespace shrike::command {

class CommandBook {
 public:
  static constexpr size_t entries_max = 1024;
  static constexpr size_t open_max = 32;                    ///< accepted or started at once
  static constexpr uint64_t open_bytes_max = 512ull << 20;  ///< of their bodies

  struct Entry {
    std::string id;
    Digest digest{};
    CommandKind kind = CommandKind::detonate;
    CommandState state = CommandState::accepted;
    uint64_t issued_ns = 0;
    uint64_t expires_ns = 0;
    uint64_t body_bytes = 0;
    std::string reason;
  };

  /// Reads the file, or makes an empty one. `damage` says why an old one could not be believed: then, too, everything
  /// issued up to `now_ns` (wall clock) counts as known. Errors: errno of reading or writing.
  static Result<CommandBook> open(const std::string& path, uint64_t now_ns, std::string& damage);

  /// Null when it was never accepted, or has been forgotten.
  [[nodiscard]] const Entry* find(std::string_view id) const;
  /// Whether a command issued then may have been carried out and forgotten.
  [[nodiscard]] bool may_be_forgotten(uint64_t issued_ns) const { return issued_ns <= floor_ns_; }
  [[nodiscard]] std::vector<Entry> in_state(CommandState state) const;
  /// Why one more of that size cannot be taken; empty: it can.
  [[nodiscard]] std::string no_room(uint64_t body_bytes) const;

  /// Remembers a new command, as `accepted`, on the disk. Errors: no room; errno: then it is not in the book.
  Result<void> accept(const OpenCommand& command);
  /// The same of what becomes of it. Errors: errno: then the old state stands.
  Result<void> set(std::string_view id, CommandState state, const std::string& reason);

 private:
  explicit CommandBook(std::string path) : path_(std::move(path)) {}
  Result<void> write() const;
  void make_room();

  std::string path_;
  uint64_t floor_ns_ = 0;  // everything issued up to here that is not in the book counts as carried out
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace shrike::command
