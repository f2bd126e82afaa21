#pragma once
// Commands to agents, and their bodies until they are on the agents' disks: commands.sqlite. Unlike the index it cannot
// be made again from the segments, so each change is synced.

#include <optional>
#include <string>
#include <vector>

#include "collector/sqlite.h"
#include "common/wire/command_news.h"

namespace shrike::collector {

struct CommandRow {
  std::string id;
  std::string node;
  CommandKind kind = CommandKind::detonate;
  std::string state;  ///< "queued", "expired", or a CommandState's name
  std::string reason;
  uint64_t issued_ns = 0;
  uint64_t expires_ns = 0;
  uint64_t updated_ns = 0;
  uint64_t body_bytes = 0;
  Digest digest{};  ///< of the header, as agents name it

  bool operator==(const CommandRow&) const = default;
  /// Not yet on the node's disk: to be sent until it expires.
  [[nodiscard]] bool unsent() const { return state == "queued" || state == "incomplete"; }
  /// Nothing can change it any more. (What has expired here may have been taken in time by the node's clock.)
  [[nodiscard]] bool over() const;
};
/// One line of GET /v1/commands.
std::string command_to_json(const CommandRow& row);

struct CommandQuery {
  std::string id;
  std::string node;
  uint64_t since_ns = 0;  ///< of the issue
  uint64_t until_ns = UINT64_MAX;
  std::optional<uint64_t> limit;  ///< only the newest so many
};

/// Not thread-safe.
class CommandStore {
 public:
  static constexpr uint64_t bodies_max_bytes = 1ull << 30;  ///< that wait to be sent, all together
  static constexpr uint64_t rows_max = 10'000;              ///< kept; the oldest that are over go first

  /// Opens or makes the file. Errors: SQLite's.
  static Result<CommandStore> open(const std::string& path);

  /// Errors: EEXIST: the id is there already; ENOSPC: bodies_max_bytes; SQLite's.
  Result<void> add(const CommandRow& row, const CommandHeader& header, std::string_view sealed, std::string_view body);
  Result<std::optional<CommandRow>> find(const std::string& id);
  /// The hashes of the body's parts, joined: two bodies are the same where these are.
  Result<std::string> body_digest(const std::string& id);
  Result<std::vector<CommandRow>> list(const CommandQuery& query);
  /// Those that something is to be done for, oldest first.
  Result<std::vector<CommandRow>> open_rows();
  Result<std::string> sealed(const std::string& id);
  /// Errors: also when there is no such part.
  Result<std::string> part(const std::string& id, uint32_t number);
  /// Also forgets the body where it need not be sent any more.
  Result<void> set(const CommandRow& row);

 private:
  explicit CommandStore(Database database) : database_(std::move(database)) {}
  Result<void> prune();
  Database database_;
};

}  // namespace shrike::collector
