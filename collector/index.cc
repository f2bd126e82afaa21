#include "collector/index.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

constexpr int schema_version = 3;
constexpr size_t profiles_of_node = 8192;
constexpr uint64_t always_checked_bytes = 32u << 20;

// `serial` is the primary key of all three row tables: one order for what was taken in.
constexpr const char* schema = R"(
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), segment INTEGER NOT NULL, position INTEGER NOT NULL,
  serial INTEGER NOT NULL, clean INTEGER NOT NULL);
INSERT INTO meta VALUES (1, 0, 0, 0, 0);
CREATE TABLE nodes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL, agent_version TEXT NOT NULL);
CREATE TABLE batches (serial INTEGER PRIMARY KEY, node INTEGER NOT NULL, lane INTEGER NOT NULL, boot BLOB NOT NULL,
  seq INTEGER NOT NULL, first_seq INTEGER NOT NULL, hash BLOB NOT NULL, first_time INTEGER NOT NULL,
  last_time INTEGER NOT NULL, received INTEGER NOT NULL, count INTEGER NOT NULL, segment INTEGER NOT NULL,
  position INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE UNIQUE INDEX batches_chain ON batches (node, lane, boot, seq);
CREATE INDEX batches_drops ON batches (node, lane, boot, seq) WHERE first_seq > 0;
CREATE INDEX batches_received ON batches (received);
CREATE TABLE heads (node INTEGER NOT NULL, lane INTEGER NOT NULL, boot BLOB NOT NULL, seq INTEGER NOT NULL,
  hash BLOB NOT NULL, hash_known INTEGER NOT NULL, batches INTEGER NOT NULL, events INTEGER NOT NULL,
  dropped_batches INTEGER NOT NULL, dropped_events INTEGER NOT NULL, unlinked INTEGER NOT NULL,
  received INTEGER NOT NULL, losses TEXT NOT NULL, PRIMARY KEY (node, lane)) WITHOUT ROWID;
CREATE TABLE alerts (serial INTEGER PRIMARY KEY, time INTEGER NOT NULL, severity INTEGER NOT NULL,
  source INTEGER NOT NULL, node TEXT NOT NULL, rule TEXT NOT NULL, json TEXT NOT NULL);
CREATE INDEX alerts_time ON alerts (time, serial);
CREATE TABLE verdicts (serial INTEGER PRIMARY KEY, received INTEGER NOT NULL, node TEXT NOT NULL,
  lane INTEGER NOT NULL, boot BLOB NOT NULL, seq INTEGER NOT NULL, verdict INTEGER NOT NULL, reason TEXT NOT NULL,
  events INTEGER NOT NULL);
CREATE TABLE detonations (serial INTEGER PRIMARY KEY, time INTEGER NOT NULL, node TEXT NOT NULL, id TEXT NOT NULL,
  json TEXT NOT NULL);
CREATE INDEX detonations_id ON detonations (id);
CREATE TABLE acks (node TEXT NOT NULL, lane INTEGER NOT NULL, boot BLOB NOT NULL, seq INTEGER NOT NULL,
  hash BLOB NOT NULL, time INTEGER NOT NULL, signed BLOB NOT NULL, PRIMARY KEY (node, lane)) WITHOUT ROWID;
CREATE TABLE profiles (path TEXT NOT NULL, mtime INTEGER NOT NULL, node TEXT NOT NULL, serial INTEGER NOT NULL,
  received INTEGER NOT NULL, calls INTEGER NOT NULL, ngrams INTEGER NOT NULL, is_full INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE UNIQUE INDEX profiles_program ON profiles (path, mtime, node);
CREATE INDEX profiles_node ON profiles (node, serial);
)";

Blob blob(const BootId& boot) { return {{reinterpret_cast<const char*>(boot.data()), boot.size()}}; }
Blob blob(const Digest& digest) { return {as_bytes(digest)}; }

std::string losses_text(const Losses& losses) {
  auto list = nlohmann::json::array();
  for (const auto& [key, count] : losses) list.push_back({key.cause, key.loss_class, count});
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

struct IndexStatements {
  Statement add_node, see_node, add_batch, move_head, add_alert, add_verdict, add_detonation, add_ack, add_profile,
      forget_profiles, set_meta;
};

Index::Index(Database database) : database_(std::move(database)), statements_(std::make_unique<IndexStatements>()) {}
Index::Index(Index&&) noexcept = default;
Index& Index::operator=(Index&&) noexcept = default;
Index::~Index() = default;

Result<Index> Index::open(const std::string& path) {
  Index index(TRY(Database::open(path, Database::Mode::create)));
  Database& database = index.database_;
  // NORMAL: a power cut may lose the last transactions, never the file; the segments give them back.
  TRY_VOID(database.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=2000;"));
  int64_t version = 0;
  int64_t pages = 0;
  {
    Statement ask = TRY(database.prepare("PRAGMA user_version"));
    if (TRY(ask.step())) version = ask.integer(0);
    Statement tables = TRY(database.prepare("SELECT count(*) FROM sqlite_master"));
    if (TRY(tables.step())) pages = tables.integer(0);
  }
  if (version == 0 && pages == 0) {
    TRY_VOID(database.run(std::string("BEGIN IMMEDIATE;") + schema +
                          "PRAGMA user_version=" + std::to_string(schema_version) + "; COMMIT;"));
  } else if (version != schema_version) {
    return Error{path + ": made by another version (" + std::to_string(version) + ")", EBADMSG};
  }
  bool clean = false;
  {
    Statement meta = TRY(database.prepare("SELECT segment, position, serial, clean FROM meta"));
    if (!TRY(meta.step())) return Error{path + ": its table meta is empty", EBADMSG};
    index.position_ = {meta.number(0), meta.number(1)};
    index.serial_ = meta.number(2);
    clean = meta.integer(3) != 0;
  }
  struct stat status {};
  const bool small =
      ::stat(path.c_str(), &status) == 0 && static_cast<uint64_t>(status.st_size) <= always_checked_bytes;
  if (!clean || small) {
    Statement check = TRY(database.prepare("PRAGMA quick_check(1)"));
    if (TRY(check.step()) && check.bytes(0) != "ok") return Error{path + ": " + std::string(check.bytes(0)), EBADMSG};
  }
  TRY_VOID(database.run("UPDATE meta SET clean = 0"));
  {
    Statement nodes = TRY(database.prepare("SELECT name, id FROM nodes"));
    while (TRY(nodes.step())) index.node_ids_.emplace(std::string(nodes.bytes(0)), nodes.integer(1));
  }
  IndexStatements& s = *index.statements_;
  s.add_node = TRY(
      database.prepare("INSERT INTO nodes (name, first_seen, last_seen, agent_version) VALUES (?,?,?,?) RETURNING id"));
  s.see_node = TRY(database.prepare("UPDATE nodes SET last_seen = max(last_seen, ?), agent_version = ? WHERE id = ?"));
  s.add_batch =
      TRY(database.prepare("INSERT INTO batches VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
                           "ON CONFLICT (node, lane, boot, seq) DO NOTHING RETURNING serial"));
  s.move_head = TRY(database.prepare(
      "INSERT INTO heads VALUES (?,?,?,?,?,?,1,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET boot = excluded.boot, "
      "seq = excluded.seq, hash = excluded.hash, hash_known = excluded.hash_known, batches = batches + 1, "
      "events = events + excluded.events, dropped_batches = dropped_batches + excluded.dropped_batches, "
      "dropped_events = dropped_events + excluded.dropped_events, unlinked = unlinked + excluded.unlinked, "
      "received = excluded.received, losses = excluded.losses"));
  s.add_alert = TRY(database.prepare("INSERT INTO alerts VALUES (?,?,?,?,?,?,?)"));
  s.add_verdict = TRY(database.prepare("INSERT INTO verdicts VALUES (?,?,?,?,?,?,?,?,?)"));
  s.add_detonation = TRY(database.prepare("INSERT INTO detonations VALUES (?,?,?,?,?)"));
  s.add_ack = TRY(database.prepare("INSERT OR REPLACE INTO acks VALUES (?,?,?,?,?,?,?)"));
  s.add_profile = TRY(database.prepare(
      "INSERT INTO profiles VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (path, mtime, node) DO UPDATE SET "
      "serial = excluded.serial, received = excluded.received, calls = excluded.calls, ngrams = excluded.ngrams, "
      "is_full = excluded.is_full, body = excluded.body WHERE excluded.serial >= serial"));
  s.forget_profiles = TRY(
      database.prepare("DELETE FROM profiles WHERE node = ?1 AND serial < (SELECT serial FROM profiles WHERE node = ?1 "
                       "ORDER BY serial DESC LIMIT 1 OFFSET " +
                       std::to_string(profiles_of_node - 1) + ")"));
  s.set_meta = TRY(database.prepare("UPDATE meta SET segment = ?, position = ?, serial = ?"));
  return index;
}

Result<void> Index::begin() { return database_.run("BEGIN IMMEDIATE"); }

Result<int64_t> Index::node_id(const BatchRow& row) {
  IndexStatements& s = *statements_;
  if (const auto known = node_ids_.find(row.node); known != node_ids_.end()) {
    TRY_VOID(s.see_node.bind(row.received_ns, row.agent_version, known->second).run());
    return known->second;
  }
  s.add_node.bind(row.node, row.received_ns, row.received_ns, row.agent_version);
  if (!TRY(s.add_node.step())) return Error{"index: no id for node " + row.node};
  const int64_t id = s.add_node.integer(0);
  TRY_VOID(s.add_node.run());
  node_ids_.emplace(row.node, id);
  return id;
}

Result<bool> Index::add_batch(const BatchRow& row) {
  const int64_t node = TRY(node_id(row));
  IndexStatements& s = *statements_;
  const int lane = static_cast<int>(row.lane);
  s.add_batch.bind(row.serial, node, lane, blob(row.boot), row.seq, row.first_seq, blob(row.hash), row.first_time_ns,
                   row.last_time_ns, row.received_ns, row.count, row.at.segment, row.at.offset, row.size);
  if (!TRY(s.add_batch.step())) return false;
  TRY_VOID(s.add_batch.run());
  TRY_VOID(s.move_head
               .bind(node, lane, blob(row.head.boot), row.head.seq, blob(row.head.hash), row.head.hash_known ? 1 : 0,
                     row.count, row.dropped_batches, row.dropped_events, row.unlinked ? 1 : 0, row.received_ns,
                     losses_text(row.losses))
               .run());
  return true;
}

Result<void> Index::add_alert(const AlertRow& row) {
  const Alert& alert = row.alert;
  return statements_->add_alert
      .bind(row.serial, alert.time_ns, static_cast<int>(alert.severity), static_cast<int>(alert.source), alert.node,
            alert.rule, row.json)
      .run();
}

Result<void> Index::add_verdict(const VerdictRow& row) {
  return statements_->add_verdict
      .bind(row.serial, row.received_ns, row.node, static_cast<int>(row.lane), blob(row.boot), row.seq,
            static_cast<int>(row.verdict), row.reason, row.events)
      .run();
}

Result<void> Index::add_detonation(const DetonationRow& row) {
  return statements_->add_detonation.bind(row.serial, row.time_ns, row.node, row.id, row.json).run();
}

Result<void> Index::add_ack(const AckBody& ack, std::string_view signed_bytes) {
  return statements_->add_ack
      .bind(ack.node, static_cast<int>(ack.lane), blob(ack.boot), ack.seq, blob(ack.hash), ack.time_ns,
            Blob{signed_bytes})
      .run();
}

Result<void> Index::add_profile(const ProfileRow& row, uint64_t serial) {
  TRY_VOID(statements_->add_profile
               .bind(row.path, row.mtime_ns, row.node, serial, row.received_ns, row.calls, row.ngrams, row.full ? 1 : 0,
                     Blob{row.body})
               .run());
  return statements_->forget_profiles.bind(row.node).run();
}

Result<void> Index::commit(Position position, uint64_t serial) {
  TRY_VOID(statements_->set_meta.bind(position.segment, position.offset, serial).run());
  TRY_VOID(database_.run("COMMIT"));
  position_ = position;
  serial_ = serial;
  return {};
}

void Index::rollback() {
  // Fails only when there is no transaction, and then there is nothing to undo.
  if (auto undone = database_.run("ROLLBACK"); !undone) return;
  node_ids_.clear();
  auto nodes = database_.prepare("SELECT name, id FROM nodes");
  if (!nodes) return;
  for (auto row = nodes->step(); row && *row; row = nodes->step())
    node_ids_.emplace(std::string(nodes->bytes(0)), nodes->integer(1));
}

Result<void> Index::close() {
  TRY_VOID(database_.run("UPDATE meta SET clean = 1"));
  return database_.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

Result<std::string> set_index_aside(const std::string& path) {
  const std::string aside = path + ".corrupt-" + rfc3339(wall_now_ns());
  if (::rename(path.c_str(), aside.c_str()) != 0 && errno != ENOENT) return errno_error(path);
  for (const char* end : {"-wal", "-shm"}) {
    if (::rename((path + end).c_str(), (aside + end).c_str()) != 0 && errno != ENOENT) return errno_error(path + end);
  }
  const std::filesystem::path file(path);
  const std::string prefix = file.filename().string() + ".corrupt-";
  std::vector<std::string> old;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && !name.ends_with("-wal") && !name.ends_with("-shm")) old.push_back(entry.path());
  }
  std::sort(old.begin(), old.end());  // names end with the time
  for (size_t i = 0; i + 3 < old.size(); ++i)
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(old[i] + end, ignored);
  return aside;
}

std::string verdict_to_json(const VerdictRow& row) {
  const nlohmann::ordered_json line = {{"time", rfc3339(row.received_ns)},
                                       {"node", row.node},
                                       {"boot", hex(blob(row.boot).bytes)},
                                       {"lane", lane_name(row.lane)},
                                       {"seq", row.seq},
                                       {"verdict", verdict_name(row.verdict)},
                                       {"reason", row.reason},
                                       {"events", row.events}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace shrike::collector
