#include <nlohmann/json.hpp>

#include "collector/index.h"

namespace shrike::collector {
namespace {

constexpr int page_rows = 500;  // short reads, so that a slow client never holds the log back

Blob blob(const BootId& boot) { return {{reinterpret_cast<const char*>(boot.data()), boot.size()}}; }

template <size_t N>
std::array<uint8_t, N> array_of(std::string_view bytes) {
  std::array<uint8_t, N> out{};
  std::copy_n(bytes.data(), std::min(bytes.size(), N), reinterpret_cast<char*>(out.data()));
  return out;
}

Losses losses_of(std::string_view text) {
  Losses losses;
  const auto list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array()) return losses;
  for (const auto& one : list) {
    if (one.is_array() && one.size() == 3 && one[0].is_string() && one[1].is_string() && one[2].is_number_unsigned())
      losses[{one[0].get<std::string>(), one[1].get<std::string>()}] = one[2].get<uint64_t>();
  }
  return losses;
}

int64_t bound(uint64_t ns) { return static_cast<int64_t>(std::min<uint64_t>(ns, INT64_MAX)); }

}  // namespace

bool matches(const AlertQuery& query, const Alert& alert) {
  return alert.time_ns >= query.since_ns && alert.time_ns <= query.until_ns && alert.severity >= query.severity &&
         (query.node.empty() || query.node == alert.node) && (query.rule.empty() || query.rule == alert.rule);
}

bool matches(const VerdictQuery& query, const VerdictRow& row) {
  return row.received_ns >= query.since_ns && row.received_ns <= query.until_ns &&
         (query.node.empty() || query.node == row.node);
}

IndexReader::IndexReader(Database database) : database_(std::move(database)) {}

Result<IndexReader> IndexReader::open(const std::string& path) {
  IndexReader reader(TRY(Database::open(path, Database::Mode::read_only)));
  reader.hash_of_ = TRY(reader.database_.prepare(
      "SELECT b.hash FROM batches b JOIN nodes n ON n.id = b.node WHERE n.name=? AND lane=? AND boot=? AND seq=?"));
  reader.covered_ = TRY(reader.database_.prepare(
      "SELECT 1 FROM batches b JOIN nodes n ON n.id = b.node WHERE n.name=?1 AND lane=?2 AND boot=?3 AND seq >= ?4 AND "
      "first_seq > 0 AND first_seq <= ?4 LIMIT 1"));
  reader.knows_ = TRY(reader.database_.prepare(
      "SELECT 1 FROM batches b JOIN nodes n ON n.id = b.node WHERE n.name=? AND lane=? AND boot=? LIMIT 1"));
  return reader;
}

Result<uint64_t> IndexReader::serial() {
  Statement ask = TRY(database_.prepare("SELECT serial FROM meta"));
  return TRY(ask.step()) ? ask.number(0) : 0;
}

Result<std::vector<NodeState>> IndexReader::nodes() {
  std::vector<NodeState> nodes;
  Statement rows = TRY(database_.prepare(
      "SELECT n.name, n.first_seen, n.last_seen, n.agent_version, h.lane, h.boot, h.seq, h.hash, h.hash_known, "
      "h.batches, h.events, h.dropped_batches, h.dropped_events, h.unlinked, h.received, h.losses "
      "FROM nodes n LEFT JOIN heads h ON h.node = n.id ORDER BY n.name, h.lane"));
  while (TRY(rows.step())) {
    if (nodes.empty() || nodes.back().node != rows.bytes(0)) {
      nodes.push_back({std::string(rows.bytes(0)), rows.number(1), rows.number(2), std::string(rows.bytes(3)), {}});
    }
    if (rows.integer(4) == 0) continue;
    LaneState& lane = nodes.back().lanes[static_cast<Lane>(rows.integer(4))];
    lane.head.boot = array_of<16>(rows.bytes(5));
    lane.head.seq = rows.number(6);
    lane.head.hash = array_of<32>(rows.bytes(7));
    lane.head.hash_known = rows.integer(8) != 0;
    lane.batches = rows.number(9);
    lane.events = rows.number(10);
    lane.dropped_batches = rows.number(11);
    lane.dropped_events = rows.number(12);
    lane.unlinked = rows.number(13);
    lane.last_received_ns = rows.number(14);
    lane.losses = losses_of(rows.bytes(15));
  }
  return nodes;
}

Result<Totals> IndexReader::totals() {
  Totals totals;
  Statement heads = TRY(database_.prepare("SELECT coalesce(sum(batches),0), coalesce(sum(events),0) FROM heads"));
  if (TRY(heads.step())) totals = {heads.number(0), heads.number(1), 0, 0};
  Statement alerts = TRY(database_.prepare("SELECT count(*) FROM alerts"));
  if (TRY(alerts.step())) totals.alerts = alerts.number(0);
  Statement verdicts = TRY(database_.prepare("SELECT count(*) FROM verdicts"));
  if (TRY(verdicts.step())) totals.verdicts = verdicts.number(0);
  return totals;
}

Result<void> IndexReader::alerts(const AlertQuery& query, uint64_t last, const Line& each) {
  const std::string filter = std::string(" FROM alerts WHERE serial <= ?1 AND time <= ?2 AND severity >= ?3 ") +
                             (query.node.empty() ? "AND ?4 = '' " : "AND node = ?4 ") +
                             (query.rule.empty() ? "AND ?5 = '' " : "AND rule = ?5 ");
  int64_t time = bound(query.since_ns);
  int64_t serial = 0;
  const auto bind = [&](Statement& statement) -> Statement& {
    return statement.bind(last, bound(query.until_ns), static_cast<int>(query.severity), query.node, query.rule, time,
                          serial);
  };
  if (query.limit) {
    if (*query.limit == 0) return {};
    Statement first = TRY(database_.prepare("SELECT time, serial" + filter +
                                            "AND (time, serial) >= (?6, ?7) ORDER BY time DESC, serial DESC LIMIT 1 "
                                            "OFFSET " +
                                            std::to_string(*query.limit - 1)));
    if (TRY(bind(first).step())) {
      time = first.integer(0);
      serial = first.integer(1);
    }
  }
  // Rows of one page are taken out before they are sent: `each` may wait for its client.
  Statement page =
      TRY(database_.prepare("SELECT time, serial, json" + filter +
                            "AND (time, serial) >= (?6, ?7) ORDER BY time, serial LIMIT " + std::to_string(page_rows)));
  for (;;) {
    std::vector<std::string> lines;
    bind(page);
    while (TRY(page.step())) {
      time = page.integer(0);
      serial = page.integer(1);
      lines.emplace_back(page.bytes(2));
    }
    page.reset();
    for (const std::string& line : lines)
      if (!each(line)) return {};
    if (lines.size() < page_rows) return {};
    ++serial;
  }
}

Result<void> IndexReader::detonations(const DetonationQuery& query, const Line& each) {
  const std::string filter = std::string(" FROM detonations WHERE serial >= ?1 AND time BETWEEN ?2 AND ?3 ") +
                             (query.node.empty() ? "AND ?4 = '' " : "AND node = ?4 ") +
                             (query.id.empty() ? "AND ?5 = '' " : "AND id = ?5 ");
  uint64_t serial = 0;
  const auto bind = [&](Statement& statement) -> Statement& {
    return statement.bind(serial, bound(query.since_ns), bound(query.until_ns), query.node, query.id);
  };
  if (query.limit) {
    if (*query.limit == 0) return {};
    Statement first = TRY(database_.prepare("SELECT serial" + filter + "ORDER BY serial DESC LIMIT 1 OFFSET " +
                                            std::to_string(*query.limit - 1)));
    if (TRY(bind(first).step())) serial = first.number(0);
  }
  // A report is up to 256 KiB: few at once.
  constexpr size_t page = 32;
  Statement rows =
      TRY(database_.prepare("SELECT serial, json" + filter + "ORDER BY serial LIMIT " + std::to_string(page)));
  for (;;) {
    std::vector<std::string> lines;
    bind(rows);
    while (TRY(rows.step())) {
      serial = rows.number(0) + 1;
      lines.emplace_back(rows.bytes(1));
    }
    rows.reset();
    for (const std::string& line : lines)
      if (!each(line)) return {};
    if (lines.size() < page) return {};
  }
}

Result<void> IndexReader::verdicts(const VerdictQuery& query, uint64_t last, const Line& each) {
  const std::string filter = std::string("serial <= ?1 AND received BETWEEN ?2 AND ?3 AND serial >= ?5 ") +
                             (query.node.empty() ? "AND ?4 = ''" : "AND node = ?4");
  const std::string both =
      "SELECT serial, received, node, lane, boot, seq, verdict, reason, events FROM (SELECT b.serial, b.received, "
      "n.name "
      "AS node, b.lane, b.boot, b.seq, 1 AS verdict, '' AS reason, b.count AS events FROM batches b JOIN nodes n ON "
      "n.id = b.node UNION ALL SELECT serial, received, node, lane, boot, seq, verdict, reason, events FROM verdicts) "
      "WHERE " +
      filter;
  uint64_t serial = 0;
  const auto bind = [&](Statement& statement) -> Statement& {
    return statement.bind(last, bound(query.since_ns), bound(query.until_ns), query.node, serial);
  };
  if (query.limit) {
    if (*query.limit == 0) return {};
    Statement first =
        TRY(database_.prepare(both + " ORDER BY serial DESC LIMIT 1 OFFSET " + std::to_string(*query.limit - 1)));
    if (TRY(bind(first).step())) serial = first.number(0);
  }
  Statement page = TRY(database_.prepare(both + " ORDER BY serial LIMIT " + std::to_string(page_rows)));
  for (;;) {
    std::vector<std::string> lines;
    bind(page);
    while (TRY(page.step())) {
      serial = page.number(0) + 1;
      lines.push_back(
          verdict_to_json({page.number(0), page.number(1), std::string(page.bytes(2)), array_of<16>(page.bytes(4)),
                           static_cast<Lane>(page.integer(3)), page.number(5), static_cast<Verdict>(page.integer(6)),
                           std::string(page.bytes(7)), static_cast<uint32_t>(page.integer(8))}));
    }
    page.reset();
    for (const std::string& line : lines)
      if (!each(line)) return {};
    if (lines.size() < page_rows) return {};
  }
}

Result<void> IndexReader::profiles(const ProfileQuery& query, const std::function<bool(ProfileRow)>& each) {
  const std::string path = query.path.empty() ? "*" : query.path;
  Statement rows = TRY(database_.prepare(
      std::string("SELECT path, mtime, node, received, calls, ngrams, is_full, body FROM profiles WHERE received >= ?1 "
                  "AND path GLOB ?2 ") +
      (query.node.empty() ? "AND ?3 = ''" : "AND node = ?3") + " ORDER BY path, mtime, node"));
  rows.bind(bound(query.received_since_ns), path, query.node);
  while (TRY(rows.step())) {
    ProfileRow row{.node = std::string(rows.bytes(2)),
                   .path = std::string(rows.bytes(0)),
                   .mtime_ns = rows.number(1),
                   .received_ns = rows.number(3),
                   .calls = rows.number(4),
                   .ngrams = rows.number(5),
                   .full = rows.integer(6) != 0,
                   .body = std::string(rows.bytes(7))};
    if (!each(std::move(row))) return {};
  }
  return {};
}

Result<std::vector<BatchPlace>> IndexReader::batches(const BatchQuery& query, uint64_t after, size_t limit,
                                                     bool descending) {
  std::string sql =
      "SELECT b.serial, n.name, b.segment, b.position, b.size FROM batches b JOIN nodes n ON n.id = b.node WHERE "
      "b.received >= ?1 AND b.last_time >= ?2 AND b.first_time <= ?3 AND b.serial ";
  sql += descending ? "< ?4" : "> ?4";
  sql += query.node.empty() ? " AND ?5 = ''" : " AND n.name = ?5";
  sql += query.lane ? " AND b.lane = ?6" : " AND ?6 = 0";
  sql += query.boot ? " AND b.boot = ?7" : " AND ?7 IS NOT NULL";
  sql += query.seq ? " AND b.seq = ?8" : " AND ?8 = 0";
  sql += descending ? " ORDER BY b.serial DESC LIMIT ?9" : " ORDER BY b.serial LIMIT ?9";
  Statement rows = TRY(database_.prepare(sql));
  rows.bind(bound(query.received_since_ns), bound(query.since_ns), bound(query.until_ns), bound(after), query.node,
            query.lane ? static_cast<int>(*query.lane) : 0, blob(query.boot.value_or(BootId{})), query.seq.value_or(0),
            static_cast<uint64_t>(limit));
  std::vector<BatchPlace> places;
  while (TRY(rows.step()))
    places.push_back({rows.number(0), std::string(rows.bytes(1)), {rows.number(2), rows.number(3)}, rows.number(4)});
  return places;
}

Result<std::vector<IndexReader::Beyond>> IndexReader::beyond(Position end) {
  std::vector<Beyond> found;
  Statement rows = TRY(database_.prepare(
      "SELECT n.name, b.lane, b.boot, min(b.seq), max(b.seq), count(*) FROM batches b JOIN nodes n ON n.id = b.node "
      "WHERE b.segment > ?1 OR (b.segment = ?1 AND b.position + b.size > ?2) GROUP BY b.node, b.lane, b.boot"));
  rows.bind(end.segment, end.offset);
  while (TRY(rows.step()))
    found.push_back({std::string(rows.bytes(0)), static_cast<Lane>(rows.integer(1)), array_of<16>(rows.bytes(2)),
                     rows.number(3), rows.number(4), rows.number(5)});
  return found;
}

Result<std::optional<Digest>> IndexReader::hash_of(const std::string& node, Lane lane, const BootId& boot,
                                                   uint64_t seq) {
  hash_of_->bind(node, static_cast<int>(lane), blob(boot), seq);
  std::optional<Digest> hash;
  if (TRY(hash_of_->step())) hash = array_of<32>(hash_of_->bytes(0));
  hash_of_->reset();
  return hash;
}

Result<bool> IndexReader::covered(const std::string& node, Lane lane, const BootId& boot, uint64_t seq) {
  covered_->bind(node, static_cast<int>(lane), blob(boot), seq);
  const bool is = TRY(covered_->step());
  covered_->reset();
  return is;
}

Result<bool> IndexReader::knows(const std::string& node, Lane lane, const BootId& boot) {
  knows_->bind(node, static_cast<int>(lane), blob(boot));
  const bool is = TRY(knows_->step());
  knows_->reset();
  return is;
}

}  // namespace shrike::collector
