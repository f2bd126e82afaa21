#include "agent/ship/lane_spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstdio>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace shrike::ship {
namespace {
/// What a batch names as the hash that the next one must name as its previous.
Digest link_of(const BatchHeader& header, const Digest& hash) { return header.drop ? header.drop->last_hash : hash; }

Result<std::string> read_exactly(int fd, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read");
    if (n == 0) return Error{"offset " + std::to_string(offset + done) + ": behind the segment's end"};
    done += static_cast<size_t>(n);
  }
  return bytes;
}
}  // namespace

std::string LaneSpool::path_of(uint64_t id) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%012llu.seg", static_cast<unsigned long long>(id));
  return options_.folder + name;
}

bool LaneSpool::is_acked(const BootId& boot, uint64_t seq) const { return boot == acked_.boot && seq <= acked_.seq; }
bool LaneSpool::is_acked(const Segment& segment) const { return is_acked(segment.boot, segment.last); }

Result<void> LaneSpool::begin_segment(const BatchHeader& header) {
  const std::string path = path_of(next_id_);
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno_error(path);
  end_segment();
  active_ = std::move(fd);
  Segment segment;
  segment.id = next_id_++;
  segment.boot = header.boot;
  segment.first = header.drop ? header.drop->first : header.seq;
  segments_.push_back(std::move(segment));
  folder_dirty_ = true;
  return {};
}

void LaneSpool::end_segment() {
  if (active_.valid() && dirty_) ended_.push_back(std::move(active_));
  active_.reset();
}

Result<void> LaneSpool::write_record(std::string_view body) {
  Segment& segment = segments_.back();
  const std::string head = record_head(body);
  const size_t size = head.size() + body.size();
  for (size_t done = 0; done < size;) {
    const size_t of_head = std::min(done, head.size());
    const size_t of_body = done - of_head;
    const iovec parts[] = {{const_cast<char*>(head.data()) + of_head, head.size() - of_head},
                           {const_cast<char*>(body.data()) + of_body, body.size() - of_body}};
    const ssize_t n = ::writev(active_.get(), parts, 2);
    if (n > 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    const Error error = errno_error(path_of(segment.id), n == 0 ? ENOSPC : errno);
    // What was written of it goes, so that the next record begins where readers expect one.
    if (::ftruncate(active_.get(), static_cast<off_t>(segment.bytes)) != 0) end_segment();
    return error;
  }
  segment.bytes += size;
  bytes_ += size;
  dirty_ = true;
  return {};
}

Result<void> LaneSpool::append(std::string_view body, const BatchHeader& header, const Digest& hash) {
  const bool fits = active_.valid() && segments_.back().bytes < options_.segment_bytes &&
                    segments_.back().boot == header.boot && !segments_.back().statement;
  if (!fits) TRY_VOID(begin_segment(header));
  if (auto written = write_record(body); !written) {
    if (segments_.back().bytes == 0) {
      // An empty segment has no place in the order of seqs.
      end_segment();
      ::unlink(path_of(segments_.back().id).c_str());
      segments_.pop_back();
    }
    return written;
  }
  segments_.back().last = header.seq;
  segments_.back().events += header.count;
  head_ = {header.boot, header.seq, link_of(header, hash), true};
  return {};
}

Result<std::optional<Spooled>> LaneSpool::read_at(const Segment& segment, uint64_t offset) {
  const std::string path = path_of(segment.id);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  const auto head = read_exactly(fd.get(), offset, record_head_bytes);
  if (!head) return head.error().in(path);
  const auto size = load_le<uint32_t>(head->data() + 4);
  if (size == 0 || size > batch_max_bytes)
    return Error{path + ": offset " + std::to_string(offset) + ": record of impossible size"};
  const auto bytes = read_exactly(fd.get(), offset, record_head_bytes + size);
  if (!bytes) return bytes.error().in(path);
  const auto record = record_at(*bytes, 0);
  if (!record) return record.error().in(path + ": record at " + std::to_string(offset));
  const auto header = header_of_body(record->body);
  if (!header) return header.error().in(path + ": record at " + std::to_string(offset));
  return std::optional(Spooled{std::string(record->body), header->boot, header->seq, header->drop.has_value()});
}

Result<std::optional<Spooled>> LaneSpool::next(std::vector<std::string>& repairs) {
  int repaired = 0;
  for (;;) {
    const auto at =
        std::find_if(segments_.begin(), segments_.end(), [&](const Segment& s) { return s.id >= cursor_.segment; });
    if (at == segments_.end()) return std::optional<Spooled>();
    if (at->id != cursor_.segment) cursor_ = {at->id, 0};
    if (cursor_.offset >= at->bytes || is_acked(*at)) {
      if (std::next(at) == segments_.end()) return std::optional<Spooled>();
      cursor_ = {std::next(at)->id, 0};
      continue;
    }
    auto spooled = read_at(*at, cursor_.offset);
    if (!spooled) {
      // One repair makes the whole file readable; a second failure in it is the disk's.
      if (repaired++ > 0 || spooled.error().code != 0) return spooled.error();
      TRY_VOID(repair_segment(*at, repairs));
      cursor_.offset = 0;
      continue;
    }
    cursor_.offset += record_head_bytes + (*spooled)->bytes.size();
    if (is_acked((*spooled)->boot, (*spooled)->seq)) continue;
    at->sent = true;
    return std::move(*spooled);
  }
}

void LaneSpool::remove_front() {
  const Segment& front = segments_.front();
  ::unlink(path_of(front.id).c_str());
  bytes_ -= front.bytes;
  folder_dirty_ = true;
  segments_.pop_front();
}

Result<void> LaneSpool::acknowledge(const AckBody& ack) {
  const std::string what =
      "acknowledgement of lane " + std::string(lane_name(options_.lane)) + ", seq " + std::to_string(ack.seq);
  const auto of_boot = [&](const Segment& segment) { return segment.boot == ack.boot; };
  const auto last = std::find_if(segments_.rbegin(), segments_.rend(), of_boot);
  const bool behind = ack.verdict == Verdict::gap && !segments_.empty() &&
                      (ack.boot == segments_.front().boot ? ack.seq + 1 < segments_.front().first
                                                          : last == segments_.rend() && segments_.front().first > 1);
  if (behind) {
    // The collector lost what it had acknowledged before: we cannot send it again, but we can say so.
    const bool same = ack.boot == segments_.front().boot;
    return prepend_statement(same ? ack.seq + 1 : 1, same ? ack.hash : Digest{});
  }
  if (last == segments_.rend()) {
    if (ack.boot == acked_.boot && ack.seq <= acked_.seq) return {};
    return Error{what + ": boot " + hex({reinterpret_cast<const char*>(ack.boot.data()), ack.boot.size()}) +
                 " is not in this spool"};
  }
  if (ack.seq > last->last) return Error{what + ": the last one sealed is " + std::to_string(last->last)};
  if (ack.boot == head_.boot && ack.seq == head_.seq && head_.hash_known && ack.hash != head_.hash)
    return Error{what + ": the collector has another batch there"};
  if (ack.seq == 0 || (ack.boot == acked_.boot && ack.seq <= acked_.seq)) return {};
  // Boots follow each other in the spool; one before the acknowledged one is done with altogether.
  const auto acked_boot = std::find_if(segments_.begin(), segments_.end(),
                                       [&](const Segment& segment) { return segment.boot == acked_.boot; });
  const auto ack_boot = std::find_if(segments_.begin(), segments_.end(), of_boot);
  if (acked_boot != segments_.end() && acked_boot > ack_boot) return {};
  acked_ = {ack.boot, ack.seq};
  while (segments_.size() > 1 && (is_acked(segments_.front()) || segments_.front().boot != ack.boot)) remove_front();
  return {};
}

uint64_t LaneSpool::pending() const {
  uint64_t count = 0;
  for (const Segment& segment : segments_) {
    if (is_acked(segment) || segment.bytes == 0) continue;
    const bool partly = segment.boot == acked_.boot && acked_.seq >= segment.first;
    count += segment.statement ? 1 : segment.last - (partly ? acked_.seq : segment.first - 1);
  }
  return count;
}

std::string LaneSpool::make_statement(const BootId& boot, const Digest& previous, Drop drop) {
  BatchHeader header;
  header.node = identity_->node;
  header.agent_version = identity_->agent_version;
  header.public_key = identity_->key.public_key().raw();
  header.boot = boot;
  header.lane = options_.lane;
  header.seq = drop.last;
  header.previous = previous;
  header.losses = losses_;
  header.drop = std::move(drop);
  Digest hash;
  return seal_empty(header, identity_->key, hash);
}

Result<void> LaneSpool::overwrite(const Segment& segment, std::string_view body) {
  // For a full disk: a temporary file has no room, the blocks of the segment itself are ours already.
  const std::string path = path_of(segment.id);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  const std::string record = record_head(body).append(body);
  if (::pwrite(fd.get(), record.data(), record.size(), 0) != static_cast<ssize_t>(record.size()) ||
      ::ftruncate(fd.get(), static_cast<off_t>(record.size())) != 0)
    return errno_error(path);
  return {};
}

Result<void> LaneSpool::replace(Segment& segment, const std::vector<std::string_view>& bodies) {
  if (&segment == &segments_.back()) end_segment();
  const std::string path = path_of(segment.id);
  const std::string temporary = path + ".new";
  std::string content;
  for (const std::string_view body : bodies) content.append(record_head(body)).append(body);
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    auto written = fd.valid() ? write_all(fd.get(), content) : Result<void>(errno_error(temporary));
    if (written && ::fdatasync(fd.get()) != 0) written = errno_error(temporary);
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) written = errno_error(path);
    if (!written) {
      ::unlink(temporary.c_str());
      if (bodies.size() != 1) return written;
      TRY_VOID(overwrite(segment, bodies[0]));
    }
  }
  folder_dirty_ = true;
  bytes_ -= segment.bytes;
  summarize(segment, bodies);
  bytes_ += segment.bytes;
  if (cursor_.segment == segment.id) cursor_.offset = 0;
  return {};
}

Result<std::optional<uint64_t>> LaneSpool::drop_oldest() {
  const auto at = std::find_if(segments_.begin(), segments_.end(),
                               [&](const Segment& s) { return !s.statement && s.bytes > 0 && !is_acked(s); });
  if (at == segments_.end()) return std::optional<uint64_t>();
  Drop drop{at->first, at->last, {}, 0, "spool_full"};
  Digest previous{};
  bool first = true;
  if (const auto content = read_file(path_of(at->id)); content) {
    const Scan scan = scan_segment(*content);
    for (const Record& record : scan.records) {
      const auto header = header_of_body(record.body);
      if (!header || is_acked(header->boot, header->seq)) continue;
      if (first) {
        drop.first = header->drop ? header->drop->first : header->seq;
        previous = header->previous;
      }
      first = false;
      drop.events += header->drop ? header->drop->events : header->count;
    }
    if (!scan.records.empty()) {
      const auto last = open_batch(scan.records.back().body);
      if (last && last->header.seq == drop.last) drop.last_hash = link_of(last->header, last->hash);
    }
  }
  const uint64_t events = drop.events;
  const auto before = at == segments_.begin() ? segments_.end() : std::prev(at);
  const bool merges = before != segments_.end() && before->statement && !before->sent && before->boot == at->boot &&
                      before->last + 1 == drop.first && before->statement->cause == drop.cause;
  if (merges) {
    drop.first = before->first;
    drop.events += before->statement->events;
    previous = before->previous;
  }
  const size_t index = static_cast<size_t>(at - segments_.begin());
  // A statement tells its own loss too: an agent that dies now must find it when it counts on.
  losses_[{drop.cause, std::string(lane_name(options_.lane))}] += events;
  const std::string statement = make_statement(at->boot, previous, drop);
  TRY_VOID(replace(*at, {statement}));
  segments_[index].sent = false;
  if (merges) {
    Segment& merged = segments_[index - 1];
    ::unlink(path_of(merged.id).c_str());
    bytes_ -= merged.bytes;
    segments_.erase(segments_.begin() + static_cast<ptrdiff_t>(index) - 1);
  }
  return std::optional(events);
}

std::optional<LaneSpool::ToSync> LaneSpool::take_unsynced() {
  if (!dirty_ && !folder_dirty_ && ended_.empty()) return std::nullopt;
  ToSync to_sync{std::move(ended_), folder_dirty_};
  ended_.clear();
  if (dirty_ && active_.valid()) to_sync.files.emplace_back(::fcntl(active_.get(), F_DUPFD_CLOEXEC, 0));
  dirty_ = folder_dirty_ = false;
  return to_sync;
}

}  // namespace shrike::ship
