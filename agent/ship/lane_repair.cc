// Reading a spool folder back, and what is done about damage in it.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "agent/ship/lane_spool.h"
#include "common/base/file.h"

namespace shrike::ship {
namespace {
constexpr size_t segment_max_bytes = 256u << 20;

Digest link_of(const OpenBatch& batch) { return batch.header.drop ? batch.header.drop->last_hash : batch.hash; }

/// What the batch in `body` wants to be named as by the next one; zeros when it is not readable.
Digest link_of(std::string_view body) {
  const auto batch = open_batch(body);
  return batch ? link_of(*batch) : Digest{};
}

uint64_t first_of(const BatchHeader& header) { return header.drop ? header.drop->first : header.seq; }

std::string range_text(uint64_t first, uint64_t last) {
  return first == last ? "batch " + std::to_string(first)
                       : "batches " + std::to_string(first) + " to " + std::to_string(last);
}

/// The ids of the segments in a folder, in order; leftovers of interrupted replacements are removed.
Result<std::vector<uint64_t>> segment_ids(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  if (!dir) return errno_error(folder);
  std::vector<uint64_t> ids;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".seg.new")) ::unlinkat(::dirfd(dir.get()), entry->d_name, 0);
    if (name.size() != 16 || !name.ends_with(".seg")) continue;
    uint64_t id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + 12, id);
    if (error == std::errc() && end == name.data() + 12 && id > 0) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}
}  // namespace

Result<LaneSpool> LaneSpool::open(Options options, const Identity& identity, const ChainState& state,
                                  std::vector<std::string>& repairs) {
  TRY_VOID(make_dirs(options.folder, 0700));
  LaneSpool spool(std::move(options), identity);
  TRY_VOID(spool.load(state, repairs));
  return spool;
}

Result<void> LaneSpool::load(const ChainState& state, std::vector<std::string>& repairs) {
  acked_ = state.lanes[lane_index(options_.lane)].acked;
  Expected expected;
  for (const uint64_t id : TRY(segment_ids(options_.folder))) {
    next_id_ = id + 1;
    TRY_VOID(load_segment(id, expected, repairs));
  }
  if (expected.known) head_ = {expected.boot, expected.seq - 1, expected.previous, expected.previous != Digest{}};
  return adopt_head(state, repairs);
}

Result<void> LaneSpool::load_segment(uint64_t id, Expected& expected, std::vector<std::string>& repairs) {
  const std::string path = path_of(id);
  const std::string content = TRY(read_file(path, segment_max_bytes));
  const Scan scan = scan_segment(content);
  if (!scan.records.empty()) TRY_VOID(close_boot(scan.records[0], expected, repairs));
  Rebuilt rebuilt = rebuild(content, expected, path, repairs);
  Segment segment;
  segment.id = id;
  segment.bytes = content.size();
  if (rebuilt.bodies.empty()) {
    if (!content.empty() && !(scan.damages.size() == 1 && scan.damages[0].cut)) TRY_VOID(keep_damaged(segment));
    if (::unlink(path.c_str()) != 0) return errno_error(path);
    return {};
  }
  segments_.push_back(segment);
  bytes_ += segment.bytes;
  const bool only_cut = scan.damages.size() == 1 && scan.damages[0].cut && rebuilt.made.empty() &&
                        scan.damages[0].offset + scan.damages[0].bytes == content.size() &&
                        rebuilt.bodies.size() == scan.records.size();
  if (only_cut) {
    if (::truncate(path.c_str(), static_cast<off_t>(scan.damages[0].offset)) != 0) return errno_error(path);
    bytes_ -= scan.damages[0].bytes;
    summarize(segments_.back(), rebuilt.bodies);
    return {};
  }
  if (!rebuilt.changed) {
    summarize(segments_.back(), rebuilt.bodies);
    return {};
  }
  TRY_VOID(keep_damaged(segment));
  return replace(segments_.back(), rebuilt.bodies);
}

/// Where a new boot begins, the last batch before must be the one it links to. When it is not, the older boot's end is
/// missing; how much is not known, one batch at least.
Result<void> LaneSpool::close_boot(const Record& next, Expected& expected, std::vector<std::string>& repairs) {
  const auto header = header_of_body(next.body);
  if (!expected.known || segments_.empty() || !header || header->boot == expected.boot || first_of(*header) != 1)
    return {};
  if (header->previous == Digest{} || expected.previous == Digest{} || header->previous == expected.previous) return {};
  const std::string path = path_of(segments_.back().id);
  const std::string content = TRY(read_file(path, segment_max_bytes));
  Rebuilt rebuilt;
  const Scan scan = scan_segment(content);
  for (const Record& record : scan.records) rebuilt.bodies.push_back(record.body);
  fill_gap(expected.seq, expected.seq, expected.boot, header->previous, expected, rebuilt, path, repairs);
  expected.previous = header->previous;
  expected.seq += 1;
  return replace(segments_.back(), rebuilt.bodies);
}

LaneSpool::Rebuilt LaneSpool::rebuild(std::string_view content, Expected& expected, const std::string& path,
                                      std::vector<std::string>& repairs) {
  Rebuilt rebuilt;
  const Scan scan = scan_segment(content);
  for (const Scan::Damage& damage : scan.damages) {
    repairs.push_back(path + ": " + damage.what + "; " + std::to_string(damage.bytes) +
                      (damage.cut ? " bytes cut off" : " bytes skipped"));
    rebuilt.changed = true;
  }
  std::optional<BootId> boot;
  for (const Record& record : scan.records) {
    const auto header = header_of_body(record.body);
    if (!header || header->node != identity_->node || header->lane != options_.lane ||
        (boot && *boot != header->boot)) {
      repairs.push_back(path + ": offset " + std::to_string(record.offset) + ": not a batch of this chain" +
                        (header ? "" : " (" + header.error().message + ")") + "; skipped");
      rebuilt.changed = true;
      continue;
    }
    boot = header->boot;
    const bool same = expected.known && expected.boot == header->boot;
    const uint64_t next = same ? expected.seq : 1;
    if (same && header->seq < next) {
      // Left by a merge of drop statements that was interrupted: the one before covers it.
      rebuilt.changed = true;
      continue;
    }
    if (expected.known && first_of(*header) > next)
      fill_gap(next, first_of(*header) - 1, header->boot, header->previous, expected, rebuilt, path, repairs);
    rebuilt.bodies.push_back(record.body);
    expected = {true, header->boot, header->seq + 1, {}};
    if (header->boot != losses_boot_) last_losses_.clear();
    losses_boot_ = header->boot;
    for (const auto& [key, count] : header->losses) last_losses_[key] = std::max(last_losses_[key], count);
  }
  // Hashed once a segment, not once a batch: only the next segment's first batch, or a gap, asks for it.
  if (!rebuilt.bodies.empty()) expected.previous = link_of(rebuilt.bodies.back());
  return rebuilt;
}

void LaneSpool::fill_gap(uint64_t first, uint64_t last, const BootId& boot, const Digest& last_hash,
                         const Expected& expected, Rebuilt& rebuilt, const std::string& path,
                         std::vector<std::string>& repairs) {
  const Digest previous = rebuilt.bodies.empty() ? expected.previous : link_of(rebuilt.bodies.back());
  rebuilt.made.push_back(make_statement(boot, previous, {first, last, last_hash, 0, "spool_damaged"}));
  rebuilt.bodies.push_back(rebuilt.made.back());
  rebuilt.changed = true;
  damaged_ += last - first + 1;
  repairs.push_back(path + ": " + range_text(first, last) + " cannot be read; a drop statement stands for it");
}

Result<void> LaneSpool::keep_damaged(const Segment& segment) {
  std::string kept = path_of(segment.id);
  const std::string path = kept;
  kept.replace(kept.size() - 3, 3, "damaged");
  ::unlink(kept.c_str());
  // A full disk must not keep the chain from going on: then the copy is what is given up.
  if (::link(path.c_str(), kept.c_str()) != 0 && errno != ENOSPC && errno != ENOENT) return errno_error(kept);
  return {};
}

Result<void> LaneSpool::repair_segment(Segment& segment, std::vector<std::string>& repairs) {
  const std::string path = path_of(segment.id);
  const bool newest = &segment == &segments_.back();
  const Segment known = segment;
  TRY_VOID(keep_damaged(segment));
  const auto content = read_file(path, segment_max_bytes);
  if (!content) repairs.push_back(content.error().message);
  Expected expected{true, known.boot, known.first, {}};
  Rebuilt rebuilt = rebuild(content ? std::string_view(*content) : std::string_view(), expected, path, repairs);
  if (expected.seq <= known.last) {
    const Digest last_hash = newest && head_.hash_known ? head_.hash : Digest{};
    fill_gap(expected.seq, known.last, known.boot, last_hash, expected, rebuilt, path, repairs);
  }
  return replace(segment, rebuilt.bodies);
}

void LaneSpool::summarize(Segment& segment, const std::vector<std::string_view>& bodies) {
  segment.events = segment.bytes = 0;
  segment.statement.reset();
  for (size_t i = 0; i < bodies.size(); ++i) {
    segment.bytes += record_head_bytes + bodies[i].size();
    const auto header = header_of_body(bodies[i]);
    if (!header) continue;
    if (i == 0) {
      segment.boot = header->boot;
      segment.first = first_of(*header);
      segment.previous = header->previous;
    }
    segment.last = header->seq;
    segment.events += header->count;
    if (bodies.size() == 1) segment.statement = header->drop;
  }
}

Result<void> LaneSpool::append_statement(const BootId& boot, const Digest& previous, Drop drop) {
  BatchHeader header;
  header.boot = boot;
  header.seq = drop.last;
  header.drop = drop;
  head_ = {boot, drop.last, drop.last_hash, drop.last_hash != Digest{}};
  const std::string body = make_statement(boot, previous, drop);
  TRY_VOID(begin_segment(header));
  TRY_VOID(write_record(body));
  end_segment();
  summarize(segments_.back(), {body});
  return {};
}

Result<void> LaneSpool::adopt_head(const ChainState& state, std::vector<std::string>& repairs) {
  const ChainState::LaneState& remembered = state.lanes[lane_index(options_.lane)];
  const ChainHead& head = remembered.head;
  if (head.seq == 0 || (head_.seq != 0 && head_.boot == head.boot && head_.seq >= head.seq)) return {};
  // Another boot at the spool's tail: newer than what is remembered, unless that is the chain's present one.
  if (head_.seq != 0 && head_.boot != head.boot && head.boot != state.boot) return {};
  if (acked_.boot == head.boot && acked_.seq >= head.seq) {
    head_ = head;
    return {};
  }
  const bool same = head_.seq != 0 && head_.boot == head.boot;
  const uint64_t acked = acked_.boot == head.boot ? acked_.seq : 0;
  const uint64_t first = (same ? std::max(head_.seq, acked) : acked) + 1;
  const Digest previous = acked >= first || !head_.hash_known ? Digest{} : same ? head_.hash : Digest{};
  damaged_ += head.seq - first + 1;
  repairs.push_back(options_.folder + ": " + range_text(first, head.seq) +
                    " vanished from the end; a drop statement stands for it");
  return append_statement(head.boot, previous, {first, head.seq, head.hash, 0, "spool_damaged"});
}

Result<void> LaneSpool::prepend_statement(uint64_t first, const Digest& previous) {
  Segment& front = segments_.front();
  const std::string content = TRY(read_file(path_of(front.id), segment_max_bytes));
  const Scan scan = scan_segment(content);
  if (scan.records.empty()) return Error{path_of(front.id) + ": no batch can be read"};
  const BatchHeader header = TRY(header_of_body(scan.records[0].body));
  const uint64_t last = first_of(header) - 1;
  if (first > last) return {};
  const std::string statement =
      make_statement(front.boot, previous, {first, last, header.previous, 0, "spool_damaged"});
  std::vector<std::string_view> bodies = {statement};
  for (const Record& record : scan.records) bodies.push_back(record.body);
  acked_ = {front.boot, first - 1};
  TRY_VOID(replace(front, bodies));
  cursor_ = {};
  return {};
}

Result<void> LaneSpool::condemn_first(std::vector<std::string>& repairs) {
  for (Segment& segment : segments_) {
    if (is_acked(segment) || segment.bytes == 0) continue;
    const std::string path = path_of(segment.id);
    const std::string content = TRY(read_file(path, segment_max_bytes));
    const Scan scan = scan_segment(content);
    std::vector<std::string_view> bodies;
    std::string statement;
    for (const Record& record : scan.records) {
      const auto header = header_of_body(record.body);
      if (!header || !statement.empty() || is_acked(header->boot, header->seq)) {
        // The batch after a condemned one says what it follows; that is what the statement must end with.
        bodies.push_back(record.body);
        continue;
      }
      const auto after =
          &record == &scan.records.back() ? Result<BatchHeader>(Error{""}) : header_of_body((&record + 1)->body);
      const Drop drop{first_of(*header), header->seq, after ? after->previous : Digest{}, header->count,
                      "spool_damaged"};
      statement = make_statement(header->boot, {}, drop);
      bodies.push_back(statement);
      damaged_ += drop.last - drop.first + 1;
      repairs.push_back(path + ": offset " + std::to_string(record.offset) + ": " + range_text(drop.first, drop.last) +
                        " is not signed by this node's key; a drop statement stands for it");
    }
    if (statement.empty()) continue;
    TRY_VOID(keep_damaged(segment));
    TRY_VOID(replace(segment, bodies));
    cursor_ = {};
    return {};
  }
  return {};
}

}  // namespace shrike::ship
