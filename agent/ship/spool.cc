#include "agent/ship/spool.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/file.h"

namespace shrike::ship {
namespace {
constexpr uint64_t max_bytes_least = 1u << 20;

uint64_t segment_bytes_for(uint64_t max_bytes) { return std::clamp<uint64_t>(max_bytes / 64, 64u << 10, 4u << 20); }

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}
}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options, Identity identity) {
  if (options.max_bytes < max_bytes_least) return Error{"spool: max_bytes must be at least 1048576"};
  std::unique_ptr<Spool> spool(new Spool(std::move(options), std::move(identity)));
  TRY_VOID(spool->load());
  TRY_VOID(spool->sync());
  spool->sync_thread_ = std::thread([raw = spool.get()] { raw->run_sync(); });
  return spool;
}

Spool::~Spool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (sync_thread_.joinable()) sync_thread_.join();
  if (lanes_[0] && lanes_[1]) static_cast<void>(sync());
}

Result<void> Spool::load() {
  TRY_VOID(make_dirs(options_.state_dir, 0700));
  lock_ = Fd(::open(options_.state_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock_.valid()) return errno_error(options_.state_dir);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? Error{options_.state_dir + ": another agent is using it", EWOULDBLOCK}
                                : errno_error(options_.state_dir);
  const std::string host_boot = trimmed(TRY(read_file(options_.boot_id_file, 256)));
  const std::string path = options_.state_dir + "/chain";
  ChainState state;
  bool remembered = false;
  if (const auto text = read_file(path, 1u << 16); text) {
    auto parsed = parse_chain_state(*text);
    remembered = parsed.ok();
    if (parsed)
      state = *parsed;
    else
      repairs_.push_back(path + ": " + parsed.error().message + "; a new chain links to the spool's last batch");
  } else if (text.error().code != ENOENT) {
    return text.error();
  }
  for (const Lane lane : both_lanes) {
    LaneSpool::Options of_lane;
    of_lane.folder = options_.state_dir + "/spool/" + std::string(lane_name(lane));
    of_lane.lane = lane;
    of_lane.segment_bytes = segment_bytes_for(options_.max_bytes);
    lanes_[lane_index(lane)] = TRY(LaneSpool::open(std::move(of_lane), identity_, state, repairs_));
  }
  if (remembered && state.host_boot == host_boot) {
    host_boot_ = state.host_boot;
    boot_ = state.boot;
    for (const Lane lane : both_lanes) {
      if (at(lane).head().boot != boot_) continue;
      for (const auto& [key, count] : at(lane).last_losses()) base_[key] = std::max(base_[key], count);
    }
  } else {
    begin_boot(host_boot);
  }
  count_losses();
  return {};
}

void Spool::begin_boot(const std::string& host_boot) {
  host_boot_ = host_boot;
  boot_ = new_boot_id();
}

NextLink Spool::next_link(Lane lane) const {
  const std::lock_guard lock(mutex_);
  const ChainHead& head = at(lane).head();
  NextLink link;
  link.boot = boot_;
  if (head.seq == 0) return link;
  link.seq = head.boot == boot_ ? head.seq + 1 : 1;
  if (head.hash_known) link.previous = head.hash;
  return link;
}

bool Spool::fits(Lane lane, uint64_t size) const {
  const uint64_t alerts = at(Lane::alerts).bytes();
  const uint64_t telemetry = at(Lane::telemetry).bytes();
  if (lane == Lane::alerts) return alerts + telemetry + size <= options_.max_bytes;
  return std::max(alerts, options_.max_bytes / 4) + telemetry + size <= options_.max_bytes;
}

/// Drops the oldest telemetry. False when there is none left.
Result<bool> Spool::make_room() {
  const auto events = TRY(at(Lane::telemetry).drop_oldest());
  if (!events) return false;
  own_[{"spool_full", "telemetry"}] += *events;
  count_losses();
  return true;
}

/// What statements made from now on tell.
void Spool::count_losses() {
  for (const Lane lane : both_lanes) {
    if (at(lane).damaged() > 0) own_[{"spool_damaged", std::string(lane_name(lane))}] = at(lane).damaged();
  }
  Losses all = base_;
  for (const auto& [key, count] : own_) all[key] += count;
  for (const Lane lane : both_lanes) at(lane).set_losses(all);
}

Result<void> Spool::append(Lane lane, std::string_view body, const BatchHeader& header, const Digest& hash) {
  std::function<void()> called;
  {
    const std::lock_guard lock(mutex_);
    const uint64_t size = record_head_bytes + body.size();
    while (!fits(lane, size)) {
      if (!TRY(make_room()))
        return Error{"spool: full of " + std::string(lane_name(lane)) + " that the collector has not acknowledged",
                     ENOSPC};
    }
    for (;;) {
      auto appended = at(lane).append(body, header, hash);
      if (appended) break;
      // A full disk is a full spool; anything else is not made better by dropping.
      if (appended.error().code != ENOSPC && appended.error().code != EDQUOT) return appended;
      if (!TRY(make_room())) return appended;
    }
    called = on_append_;
  }
  if (called) called();
  return {};
}

void Spool::count_lost(uint64_t events) {
  const std::lock_guard lock(mutex_);
  own_[{"spool_full", "telemetry"}] += events;
  count_losses();
}

Result<std::optional<Spooled>> Spool::next(Lane lane) {
  const std::lock_guard lock(mutex_);
  const size_t before = repairs_.size();
  auto spooled = at(lane).next(repairs_);
  if (repairs_.size() != before) count_losses();
  return spooled;
}

void Spool::rewind(Lane lane) {
  const std::lock_guard lock(mutex_);
  at(lane).rewind();
}

Result<void> Spool::acknowledge(const AckBody& ack) {
  const std::lock_guard lock(mutex_);
  if (ack.node != identity_.node) return Error{"acknowledgement: for node " + ack.node + ", this is " + identity_.node};
  return at(ack.lane).acknowledge(ack);
}

Result<void> Spool::condemn_first(Lane lane) {
  const std::lock_guard lock(mutex_);
  auto condemned = at(lane).condemn_first(repairs_);
  count_losses();
  return condemned;
}

std::vector<std::string> Spool::take_repairs() {
  const std::lock_guard lock(mutex_);
  return std::exchange(repairs_, {});
}

void Spool::on_append(std::function<void()> called) {
  const std::lock_guard lock(mutex_);
  on_append_ = std::move(called);
}

Losses Spool::losses(const Losses& outside) {
  const std::lock_guard lock(mutex_);
  Losses all = base_;
  for (const auto& [key, count] : own_) all[key] += count;
  for (const auto& [key, count] : outside) all[key] += count;
  for (const Lane lane : both_lanes) at(lane).set_losses(all);
  return all;
}

LaneStatus Spool::status(Lane lane) const {
  const std::lock_guard lock(mutex_);
  const LaneSpool& spool = at(lane);
  LaneStatus status;
  status.head_seq = spool.head().boot == boot_ ? spool.head().seq : 0;
  status.acked_seq = spool.acked().boot == boot_ ? spool.acked().seq : 0;
  status.pending = spool.pending();
  status.bytes = spool.bytes();
  return status;
}

Result<void> Spool::sync() {
  const std::lock_guard one(sync_mutex_);
  ChainState state;
  std::array<std::optional<LaneSpool::ToSync>, 2> to_sync;
  std::array<std::string, 2> folders;
  {
    const std::lock_guard lock(mutex_);
    state.host_boot = host_boot_;
    state.boot = boot_;
    for (const Lane lane : both_lanes) {
      const size_t i = lane_index(lane);
      state.lanes[i] = {at(lane).head(), at(lane).acked()};
      to_sync[i] = at(lane).take_unsynced();
      folders[i] = at(lane).folder();
    }
  }
  for (size_t i = 0; i < to_sync.size(); ++i) {
    if (!to_sync[i]) continue;
    for (const Fd& fd : to_sync[i]->files)
      if (::fdatasync(fd.get()) != 0) return errno_error(folders[i] + ": fdatasync");
    if (!to_sync[i]->folder) continue;
    const Fd folder(::open(folders[i].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid() || ::fsync(folder.get()) != 0) return errno_error(folders[i] + ": fsync");
  }
  // Only now: the state file must never know a batch that the disk does not.
  const std::string text = format_chain_state(state);
  if (text == written_state_) return {};
  TRY_VOID(write_file_atomic(options_.state_dir + "/chain", text, 0600));
  written_state_ = text;
  return {};
}

void Spool::run_sync() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    wake_.wait_for(lock, options_.sync_interval, [&] { return stop_; });
    lock.unlock();
    auto synced = sync();
    lock.lock();
    if (!synced) sync_error_ = synced.error();
  }
}

std::optional<Error> Spool::take_sync_error() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sync_error_, std::nullopt);
}

}  // namespace shrike::ship
