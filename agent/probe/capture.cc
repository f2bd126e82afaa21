#include "agent/probe/capture.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "agent/probe/record.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::probe {
namespace {

constexpr std::string_view magic = "SHRKCAP\n";
constexpr uint32_t version = 1;
constexpr size_t name_max = 255;
// magic, version, header bytes, two times, two lengths, checksum
constexpr size_t header_fixed = 8 + 4 + 4 + 8 + 8 + 2 + 2 + 4;
constexpr size_t header_max = header_fixed + 2 * name_max;
constexpr size_t frame_head = 8;
constexpr size_t piece = 1u << 20;

uint32_t checksum(const void* bytes, size_t size) { return static_cast<uint32_t>(XXH3_64bits(bytes, size)); }

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

}  // namespace

CaptureInfo capture_info_here() {
  utsname name{};
  ::uname(&name);
  return {.wall_offset_ns = wall_offset_ns(),
          .start_boot_ns = boot_now_ns(),
          .host = name.nodename,
          .kernel = name.release};
}

Result<CaptureWriter> CaptureWriter::create(const std::string& path, const CaptureInfo& info) {
  if (info.host.size() > name_max || info.kernel.size() > name_max)
    return Error{path + ": host or kernel name longer than " + std::to_string(name_max) + " bytes"};
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno_error(path);
  CaptureWriter writer(path, std::move(fd));
  std::string& header = writer.buffer_;
  header.reserve(piece + SHRIKE_RECORD_MAX + frame_head);
  header += magic;
  append(header, version);
  append(header, static_cast<uint32_t>(header_fixed + info.host.size() + info.kernel.size()));
  append(header, info.wall_offset_ns);
  append(header, info.start_boot_ns);
  append(header, static_cast<uint16_t>(info.host.size()));
  header += info.host;
  append(header, static_cast<uint16_t>(info.kernel.size()));
  header += info.kernel;
  append(header, checksum(header.data(), header.size()));
  writer.bytes_ = header.size();
  TRY_VOID(writer.flush());
  return writer;
}

CaptureWriter::~CaptureWriter() {
  if (fd_.valid()) static_cast<void>(flush().ok());
}

Result<void> CaptureWriter::write(std::span<const std::byte> record) {
  if (record.size() > SHRIKE_RECORD_MAX)
    return Error{path_ + ": a record of " + std::to_string(record.size()) + " bytes is longer than a record may be"};
  append(buffer_, static_cast<uint32_t>(record.size()));
  append(buffer_, checksum(record.data(), record.size()));
  buffer_.append(reinterpret_cast<const char*>(record.data()), record.size());
  bytes_ += frame_head + record.size();
  if (buffer_.size() >= piece) return flush();
  return {};
}

Result<void> CaptureWriter::flush() {
  auto written = write_all(fd_.get(), buffer_);
  buffer_.clear();
  if (!written) return written.error().in(path_);
  return {};
}

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(path);
  CaptureReader reader(path, std::move(fd));
  reader.buffer_.resize(piece);
  TRY_VOID(reader.read_header());
  return reader;
}

Result<CaptureReader> CaptureReader::over(std::span<const std::byte> bytes, std::string name) {
  CaptureReader reader(std::move(name), Fd());
  reader.window_ = bytes;
  TRY_VOID(reader.read_header());
  return reader;
}

Error CaptureReader::damaged(const std::string& what) const {
  return {name_ + ": " + what + " at byte " + std::to_string(offset_)};
}

// Makes window_ hold `count` bytes; false when the file ends before.
Result<bool> CaptureReader::need(size_t count) {
  if (window_.size() >= count || !fd_.valid()) return window_.size() >= count;
  size_t have = window_.size();
  if (have != 0) std::memmove(buffer_.data(), window_.data(), have);
  while (have < count) {
    const ssize_t n = ::read(fd_.get(), buffer_.data() + have, buffer_.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(name_);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  window_ = {buffer_.data(), have};
  return have >= count;
}

Result<void> CaptureReader::read_header() {
  if (!TRY(need(16)) || std::memcmp(window_.data(), magic.data(), magic.size()) != 0)
    return Error{name_ + ": not a Shrike capture"};
  const auto has_version = load_le<uint32_t>(window_.data() + 8);
  if (has_version != version)
    return Error{name_ + ": capture version " + std::to_string(has_version) + ", this program reads " +
                 std::to_string(version)};
  const auto size = load_le<uint32_t>(window_.data() + 12);
  if (size < header_fixed || size > header_max || !TRY(need(size))) return damaged("header is cut short or damaged");
  const std::byte* at = window_.data();
  if (checksum(at, size - 4) != load_le<uint32_t>(at + size - 4)) return damaged("header's checksum is wrong");
  info_.wall_offset_ns = load_le<int64_t>(at + 16);
  info_.start_boot_ns = load_le<uint64_t>(at + 24);
  const size_t names = size - header_fixed;
  const size_t host = load_le<uint16_t>(at + 32);
  if (host > names || load_le<uint16_t>(at + 34 + host) != names - host)
    return damaged("header's names do not fill it");
  info_.host.assign(reinterpret_cast<const char*>(at) + 34, host);
  info_.kernel.assign(reinterpret_cast<const char*>(at) + 36 + host, names - host);
  window_ = window_.subspan(size);
  offset_ = size;
  return {};
}

Result<std::optional<std::span<const std::byte>>> CaptureReader::next() {
  using Next = std::optional<std::span<const std::byte>>;
  if (!TRY(need(frame_head))) {
    if (window_.empty()) return Next();
    return damaged("record is cut short");
  }
  const auto length = load_le<uint32_t>(window_.data());
  const auto sum = load_le<uint32_t>(window_.data() + 4);
  if (length > SHRIKE_RECORD_MAX) return damaged("record claims " + std::to_string(length) + " bytes");
  if (!TRY(need(frame_head + length))) return damaged("record is cut short");
  const auto record = window_.subspan(frame_head, length);
  if (checksum(record.data(), length) != sum) return damaged("record's checksum is wrong");
  window_ = window_.subspan(frame_head + length);
  offset_ += frame_head + length;
  return Next(record);
}

}  // namespace shrike::probe
