#include "collector/segment.h"

#include <fcntl.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "common/base/bytes.h"

namespace shrike::collector {
namespace {

constexpr size_t window_bytes = 1u << 20;
constexpr size_t search_bytes = 4096;  // small against the window, which is read anew at each step out of it

struct Head {
  uint32_t magic = 0;
  uint32_t kind = 0;
  uint64_t size = 0;
  uint64_t received_ns = 0;
  uint64_t checksum = 0;
};

Head read_head(std::string_view bytes) {
  return {load_le<uint32_t>(bytes.data()), load_le<uint32_t>(bytes.data() + 4), load_le<uint64_t>(bytes.data() + 8),
          load_le<uint64_t>(bytes.data() + 16), load_le<uint64_t>(bytes.data() + 24)};
}

bool plausible(const Head& head) {
  return head.magic == record_magic && head.size <= record_max_bytes &&
         (head.kind == static_cast<uint32_t>(RecordKind::batch) ||
          head.kind == static_cast<uint32_t>(RecordKind::finding));
}

uint64_t checksum_of(std::string_view head24, std::string_view body) {
  return XXH64(body.data(), body.size(), XXH64(head24.data(), head24.size(), 0));
}

}  // namespace

void append_record(std::string& out, RecordKind kind, uint64_t received_ns, std::string_view bytes) {
  char head[record_head_bytes];
  store_le(head, record_magic);
  store_le(head + 4, static_cast<uint32_t>(kind));
  store_le(head + 8, static_cast<uint64_t>(bytes.size()));
  store_le(head + 16, received_ns);
  store_le(head + 24, checksum_of({head, 24}, bytes));
  out.append(head, sizeof head).append(bytes);
}

std::optional<Record> whole_record(std::string_view whole, Position at) {
  if (whole.size() < record_head_bytes) return {};
  const Head head = read_head(whole);
  if (!plausible(head) || whole.size() != record_head_bytes + head.size) return {};
  const std::string_view body = whole.substr(record_head_bytes);
  if (checksum_of(whole.substr(0, 24), body) != head.checksum) return {};
  return Record{at, whole.size(), static_cast<RecordKind>(head.kind), head.received_ns, body, Damage::none};
}

std::string segment_path(const std::string& dir, uint64_t segment) {
  char name[32];
  std::snprintf(name, sizeof name, "/%012llu.seg", static_cast<unsigned long long>(segment));
  return dir + name;
}

Result<std::vector<uint64_t>> list_segments(const std::string& dir) {
  std::vector<uint64_t> ids;
  std::error_code error;
  std::filesystem::directory_iterator entries(dir, error);
  if (error) return Error{dir + ": " + error.message(), error.value()};
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    uint64_t id = 0;
    const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (code == std::errc() && std::string_view(end) == ".seg" && segment_path("", id) == "/" + name) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

SegmentFile::SegmentFile(Fd fd, std::string path, uint64_t segment)
    : fd_(std::move(fd)), path_(std::move(path)), segment_(segment) {}

Result<SegmentFile> SegmentFile::open(const std::string& path, uint64_t segment) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  return SegmentFile(std::move(fd), path, segment);
}

Result<std::string_view> SegmentFile::view(uint64_t offset, size_t size) {
  const uint64_t end = buffer_offset_ + buffer_.size();
  const bool held = offset >= buffer_offset_ && offset <= end && (offset + size <= end || at_end_);
  if (!held) {
    buffer_.resize(std::max(size, window_bytes));
    buffer_offset_ = offset;
    size_t filled = 0;
    while (filled < buffer_.size()) {
      const ssize_t n =
          ::pread(fd_.get(), buffer_.data() + filled, buffer_.size() - filled, static_cast<off_t>(offset + filled));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        const Error error = errno_error(path_);
        buffer_.clear();
        return error;
      }
      if (n == 0) break;
      filled += static_cast<size_t>(n);
    }
    at_end_ = filled < buffer_.size();
    buffer_.resize(filled);
  }
  const size_t begin = static_cast<size_t>(offset - buffer_offset_);
  return std::string_view(buffer_).substr(begin, size);
}

Result<std::optional<Record>> SegmentFile::record_at(uint64_t offset) {
  const std::string_view top = TRY(view(offset, record_head_bytes));
  if (top.size() < record_head_bytes) return std::optional<Record>();
  const Head head = read_head(top);
  if (!plausible(head)) return std::optional<Record>();
  return whole_record(TRY(view(offset, record_head_bytes + static_cast<size_t>(head.size))), {segment_, offset});
}

Result<std::optional<Record>> SegmentFile::next() {
  const std::string_view rest = TRY(view(offset_, 1));
  if (rest.empty()) return std::optional<Record>();
  auto record = TRY(record_at(offset_));
  if (!record) record = TRY(damaged(offset_));
  offset_ = record->at.offset + record->size;
  return record;
}

Result<std::optional<Record>> SegmentFile::damaged(uint64_t offset) {
  // Where does a right record stand next? That bounds the damage, whatever the broken head claims.
  uint64_t good = offset + 1;
  bool found = false;
  for (;;) {
    const std::string_view window = TRY(view(good, search_bytes));
    if (window.size() < record_head_bytes) break;
    const char magic[4] = {'S', 'H', 'R', '1'};
    const size_t hit = window.find(std::string_view(magic, sizeof magic));
    if (hit == std::string_view::npos) {
      good += window.size() - (sizeof magic - 1);
      continue;
    }
    good += hit;
    if (TRY(record_at(good))) {
      found = true;
      break;
    }
    ++good;
  }
  Record record{{segment_, offset}, 0, RecordKind::batch, 0, {}, Damage::garbage};
  const std::string_view top = TRY(view(offset, record_head_bytes));
  const bool framed = top.size() == record_head_bytes && plausible(read_head(top));
  if (framed) {
    const Head head = read_head(top);
    record.kind = static_cast<RecordKind>(head.kind);
    record.received_ns = head.received_ns;
    const std::string_view whole = TRY(view(offset, record_head_bytes + static_cast<size_t>(head.size)));
    if (whole.size() == record_head_bytes + head.size && (!found || offset + whole.size() <= good)) {
      record.damage = Damage::checksum;
      record.size = whole.size();
      record.bytes = whole.substr(record_head_bytes);
      return std::optional<Record>(record);
    }
  }
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) return errno_error(path_);
  record.size = (found ? good : static_cast<uint64_t>(end)) - offset;
  if (!found && (framed || record.size < record_head_bytes)) record.damage = Damage::truncated;
  if (framed) {
    const size_t left = static_cast<size_t>(std::min<uint64_t>(record.size, record_max_bytes));
    const std::string_view rest = TRY(view(offset, left));
    record.bytes = rest.substr(std::min(record_head_bytes, rest.size()));
  }
  return std::optional<Record>(record);
}

Result<SegmentReader> SegmentReader::open(const std::string& dir, Position from) {
  SegmentReader reader;
  reader.dir_ = dir;
  reader.segments_ = TRY(list_segments(dir));
  const auto first = std::lower_bound(reader.segments_.begin(), reader.segments_.end(), from.segment);
  reader.at_ = static_cast<size_t>(first - reader.segments_.begin());
  if (first != reader.segments_.end() && *first == from.segment) reader.first_offset_ = from.offset;
  return reader;
}

Result<std::optional<Record>> SegmentReader::next() {
  while (at_ < segments_.size()) {
    if (!file_) {
      file_ = TRY(SegmentFile::open(segment_path(dir_, segments_[at_]), segments_[at_]));
      file_->seek(std::exchange(first_offset_, 0));
    }
    auto record = TRY(file_->next());
    if (record) return record;
    file_.reset();
    ++at_;
  }
  return std::optional<Record>();
}

}  // namespace shrike::collector
