#include "collector/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <filesystem>

#include "common/base/file.h"

namespace shrike::collector {
namespace {

constexpr uint64_t kept_tail_bytes = 4u << 20;

Result<void> sync_folder(const std::string& dir) {
  Fd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return errno_error(dir);
  return {};
}

// The tail may be evidence of tampering rather than of a crash: it is kept beside, for people.
Result<void> keep_tail(const std::string& path, uint64_t offset, uint64_t size, const std::string& name) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  std::string tail(static_cast<size_t>(std::min(size, kept_tail_bytes)), '\0');
  const ssize_t n = ::pread(fd.get(), tail.data(), tail.size(), static_cast<off_t>(offset));
  if (n < 0) return errno_error(path);
  tail.resize(static_cast<size_t>(n));
  return write_file_atomic(name, tail, 0640);
}

}  // namespace

Result<Store> Store::open(const std::string& dir, const StoreOptions& options, StoreReport& report) {
  TRY_VOID(make_dirs(dir, 0750));
  Store store(dir, options);
  const std::vector<uint64_t> segments = TRY(list_segments(dir));
  store.segment_count_ = segments.size();
  for (const uint64_t id : segments) {
    struct stat status {};
    const std::string path = segment_path(dir, id);
    if (::stat(path.c_str(), &status) != 0) return errno_error(path);
    store.total_bytes_ += static_cast<uint64_t>(status.st_size);
  }
  if (segments.empty()) return store;

  store.segment_ = segments.back();
  const std::string path = segment_path(dir, store.segment_);
  SegmentFile file = TRY(SegmentFile::open(path, store.segment_));
  uint64_t good_end = 0;
  for (auto record = TRY(file.next()); record; record = TRY(file.next()))
    if (record->damage == Damage::none) good_end = record->at.offset + record->size;
  const uint64_t end = file.offset();
  store.fd_ = Fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!store.fd_.valid()) return errno_error(path);
  if (end > good_end) {
    report = {end - good_end, {store.segment_, good_end}, path + ".torn-" + std::to_string(good_end)};
    TRY_VOID(keep_tail(path, good_end, end - good_end, report.kept_as));
    if (::ftruncate(store.fd_.get(), static_cast<off_t>(good_end)) != 0 || ::fsync(store.fd_.get()) != 0)
      return errno_error(path);
    store.total_bytes_ -= end - good_end;
  }
  store.offset_ = good_end;
  return store;
}

void Store::skip_past(uint64_t segment) {
  fd_.reset();
  segment_ = std::max(segment_, segment);
}

Result<void> Store::roll() {
  const uint64_t id = segment_ + 1;
  const std::string path = segment_path(dir_, id);
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!fd.valid()) return errno_error(path);
  TRY_VOID(sync_folder(dir_));
  fd_ = std::move(fd);
  segment_ = id;
  offset_ = 0;
  ++segment_count_;
  return {};
}

// Takes back what a failed append left: else its records would stand there twice after the next try.
Result<void> Store::settle() {
  if (!dirty_) return {};
  if (::ftruncate(fd_.get(), static_cast<off_t>(offset_)) != 0 || ::fsync(fd_.get()) != 0)
    return errno_error(segment_path(dir_, segment_));
  dirty_ = false;
  return {};
}

Result<uint64_t> Store::free_bytes() const {
  struct statvfs status {};
  if (::statvfs(dir_.c_str(), &status) != 0) return errno_error(dir_);
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<void> Store::append(std::vector<Item>& items) {
  std::string bytes;
  for (Item& item : items) {
    item.at.offset = bytes.size();
    append_record(bytes, item.kind, item.received_ns, item.bytes);
    item.size = bytes.size() - item.at.offset;
  }
  if (bytes.empty()) return {};
  const uint64_t free = TRY(free_bytes());
  if (free < options_.min_free_bytes + bytes.size())
    return Error{dir_ + ": " + std::to_string(free) + " bytes free, and store.min_free_bytes = " +
                     std::to_string(options_.min_free_bytes) + " must stay so: nothing is accepted until there is room",
                 ENOSPC};
  TRY_VOID(settle());
  if (!fd_.valid() || offset_ >= options_.segment_bytes) TRY_VOID(roll());

  const std::string path = segment_path(dir_, segment_);
  const auto undo = [&](const Error& error) {
    dirty_ = true;
    (void)settle();  // tried again before the next append
    return error;
  };
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return undo(errno_error(path));
    done += static_cast<size_t>(n);
  }
  if (::fdatasync(fd_.get()) != 0) return undo(errno_error(path));
  for (Item& item : items) item.at = {segment_, offset_ + item.at.offset};
  offset_ += bytes.size();
  total_bytes_ += bytes.size();
  return {};
}

Result<StoredRecord> read_record(const std::string& dir, Position at, uint64_t size) {
  const std::string path = segment_path(dir, at.segment);
  const std::string place = path + " at " + std::to_string(at.offset);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  if (size < record_head_bytes || size > record_head_bytes + record_max_bytes)
    return Error{place + ": the index asks for a record of " + std::to_string(size) + " bytes"};
  std::string whole(static_cast<size_t>(size), '\0');
  size_t done = 0;
  while (done < whole.size()) {
    const ssize_t n = ::pread(fd.get(), whole.data() + done, whole.size() - done, static_cast<off_t>(at.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    if (n == 0) return Error{place + ": the file ends before this record does"};
    done += static_cast<size_t>(n);
  }
  const bool right = whole_record(whole, at).has_value();
  whole.erase(0, record_head_bytes);
  return StoredRecord{std::move(whole), right ? Damage::none : Damage::checksum};
}

}  // namespace shrike::collector
