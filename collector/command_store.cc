#include "collector/command_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

constexpr int schema_version = 1;
constexpr const char* schema = R"(
CREATE TABLE commands (id TEXT PRIMARY KEY, node TEXT NOT NULL, kind INTEGER NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, issued INTEGER NOT NULL, expires INTEGER NOT NULL, updated INTEGER NOT NULL,
  body_bytes INTEGER NOT NULL, digest BLOB NOT NULL, body_digest TEXT NOT NULL, sealed BLOB NOT NULL,
  over INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX commands_issued ON commands (issued, id);
CREATE INDEX commands_open ON commands (over, issued) WHERE over = 0;
CREATE TABLE parts (command TEXT NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (command, number)) WITHOUT ROWID;
)";
constexpr const char* columns = "id, node, kind, state, reason, issued, expires, updated, body_bytes, digest";

CommandRow row_of(const Statement& at) {
  CommandRow row;
  row.id = at.bytes(0);
  row.node = at.bytes(1);
  row.kind = static_cast<CommandKind>(at.integer(2));
  row.state = at.bytes(3);
  row.reason = at.bytes(4);
  row.issued_ns = at.number(5);
  row.expires_ns = at.number(6);
  row.updated_ns = at.number(7);
  row.body_bytes = at.number(8);
  const std::string_view digest = at.bytes(9);
  std::copy_n(digest.data(), std::min(digest.size(), row.digest.size()), reinterpret_cast<char*>(row.digest.data()));
  return row;
}

Result<std::vector<CommandRow>> rows_of(Statement& statement) {
  std::vector<CommandRow> rows;
  while (TRY(statement.step())) rows.push_back(row_of(statement));
  return rows;
}

int64_t bound(uint64_t ns) { return static_cast<int64_t>(std::min<uint64_t>(ns, INT64_MAX)); }

/// Undoes what was begun, unless it is done().
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction() {
    if (open_) (void)database_.run("ROLLBACK");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Result<void> begin() {
    auto begun = database_.run("BEGIN IMMEDIATE");
    open_ = begun.ok();
    return begun;
  }
  Result<void> done() {
    TRY_VOID(database_.run("COMMIT"));
    open_ = false;
    return {};
  }

 private:
  Database& database_;
  bool open_ = false;
};

}  // namespace

bool CommandRow::over() const {
  const auto known = command_state_named(state);
  return known && is_final(*known);
}

std::string command_to_json(const CommandRow& row) {
  const nlohmann::ordered_json line = {{"id", row.id},
                                       {"node", row.node},
                                       {"kind", command_kind_name(row.kind)},
                                       {"state", row.state},
                                       {"reason", row.reason},
                                       {"issued", rfc3339(row.issued_ns)},
                                       {"expires", rfc3339(row.expires_ns)},
                                       {"updated", rfc3339(row.updated_ns)},
                                       {"body_bytes", row.body_bytes}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<CommandStore> CommandStore::open(const std::string& path) {
  CommandStore store(TRY(Database::open(path, Database::Mode::create)));
  Database& database = store.database_;
  TRY_VOID(database.run("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  Statement ask = TRY(database.prepare("PRAGMA user_version"));
  const int64_t version = TRY(ask.step()) ? ask.integer(0) : 0;
  ask.reset();
  if (version == 0) {
    TRY_VOID(database.run(std::string("BEGIN IMMEDIATE;") + schema +
                          "PRAGMA user_version=" + std::to_string(schema_version) + "; COMMIT;"));
  } else if (version != schema_version) {
    return Error{path + ": made by another version (" + std::to_string(version) + ")"};
  }
  return store;
}

Result<void> CommandStore::add(const CommandRow& row, const CommandHeader& header, std::string_view sealed,
                               std::string_view body) {
  if (TRY(find(row.id))) return Error{"a command with the id " + row.id + " is there already", EEXIST};
  Transaction transaction(database_);
  TRY_VOID(transaction.begin());
  {
    Statement held = TRY(database_.prepare("SELECT coalesce(sum(length(bytes)), 0) FROM parts"));
    const uint64_t bytes = TRY(held.step()) ? held.number(0) : 0;
    if (bytes + body.size() > bodies_max_bytes)
      return Error{"the bodies of commands that wait to be delivered would take more than 1 GiB", ENOSPC};
  }
  std::string body_digest;
  for (const Digest& part : header.parts) body_digest += hex(as_bytes(part));
  Statement insert = TRY(database_.prepare("INSERT INTO commands VALUES (?,?,?,?,?,?,?,?,?,?,?,?,0)"));
  TRY_VOID(insert
               .bind(row.id, row.node, static_cast<int>(row.kind), row.state, row.reason, row.issued_ns, row.expires_ns,
                     row.updated_ns, row.body_bytes, Blob{as_bytes(row.digest)}, body_digest, Blob{sealed})
               .run());
  Statement part = TRY(database_.prepare("INSERT INTO parts VALUES (?,?,?)"));
  for (uint32_t i = 0; i < header.parts.size(); ++i) {
    const std::string_view bytes = body.substr(i * command_part_bytes, command_part_bytes);
    TRY_VOID(part.bind(row.id, i, Blob{bytes}).run());
  }
  TRY_VOID(transaction.done());
  return prune();
}

Result<std::optional<CommandRow>> CommandStore::find(const std::string& id) {
  Statement ask = TRY(database_.prepare(std::string("SELECT ") + columns + " FROM commands WHERE id = ?"));
  if (!TRY(ask.bind(id).step())) return std::optional<CommandRow>();
  return std::optional<CommandRow>(row_of(ask));
}

Result<std::string> CommandStore::body_digest(const std::string& id) {
  Statement ask = TRY(database_.prepare("SELECT body_digest FROM commands WHERE id = ?"));
  return TRY(ask.bind(id).step()) ? std::string(ask.bytes(0)) : std::string();
}

Result<std::vector<CommandRow>> CommandStore::list(const CommandQuery& query) {
  Statement ask = TRY(database_.prepare(std::string("SELECT ") + columns +
                                        " FROM commands WHERE (?1 = '' OR id = ?1) AND (?2 = '' OR node = ?2) AND "
                                        "issued BETWEEN ?3 AND ?4 ORDER BY issued DESC, id DESC LIMIT ?5"));
  ask.bind(query.id, query.node, bound(query.since_ns), bound(query.until_ns), bound(query.limit.value_or(rows_max)));
  auto rows = TRY(rows_of(ask));
  std::reverse(rows.begin(), rows.end());
  return rows;
}

Result<std::vector<CommandRow>> CommandStore::open_rows() {
  Statement ask =
      TRY(database_.prepare(std::string("SELECT ") + columns + " FROM commands WHERE over = 0 ORDER BY issued, id"));
  return rows_of(ask);
}

Result<std::string> CommandStore::sealed(const std::string& id) {
  Statement ask = TRY(database_.prepare("SELECT sealed FROM commands WHERE id = ?"));
  if (!TRY(ask.bind(id).step())) return Error{"no command has the id " + id};
  return std::string(ask.bytes(0));
}

Result<std::string> CommandStore::part(const std::string& id, uint32_t number) {
  Statement ask = TRY(database_.prepare("SELECT bytes FROM parts WHERE command = ? AND number = ?"));
  if (!TRY(ask.bind(id, number).step()))
    return Error{"command " + id + " has no part " + std::to_string(number) + " any more"};
  return std::string(ask.bytes(0));
}

Result<void> CommandStore::set(const CommandRow& row) {
  Transaction transaction(database_);
  TRY_VOID(transaction.begin());
  Statement update =
      TRY(database_.prepare("UPDATE commands SET state = ?, reason = ?, updated = ?, over = ? WHERE id = ?"));
  TRY_VOID(
      update.bind(row.state, row.reason, row.updated_ns, row.over() || row.state == "expired" ? 1 : 0, row.id).run());
  if (!row.unsent()) {
    Statement forget = TRY(database_.prepare("DELETE FROM parts WHERE command = ?"));
    TRY_VOID(forget.bind(row.id).run());
  }
  return transaction.done();
}

Result<void> CommandStore::prune() {
  Statement forget =
      TRY(database_.prepare("DELETE FROM commands WHERE id IN (SELECT id FROM commands WHERE over = 1 ORDER BY issued "
                            "LIMIT max(0, (SELECT count(*) FROM commands) - ?))"));
  TRY_VOID(forget.bind(rows_max).run());
  return database_.run("PRAGMA incremental_vacuum(2000)");
}

}  // namespace shrike::collector
