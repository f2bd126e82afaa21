#pragma once
// Capture files: kernel records as they came, with what replay needs to know about the host they came from.
// Layout, little endian: "SHRKCAP\n", u32 version, u32 header bytes, i64 wall offset, u64 boot time of the start,
// u16 + host, u16 + kernel release, u32 checksum of all before; then for each record u32 length, u32 checksum, bytes.
// Checksums are the low half of XXH3.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::probe {

/// What a capture says about itself.
struct CaptureInfo {
  int64_t wall_offset_ns = 0;  ///< add to a record's boot time to get wall time
  uint64_t start_boot_ns = 0;  ///< CLOCK_BOOTTIME when the capture began
  std::string host;            ///< host name, at most 255 bytes
  std::string kernel;          ///< uname release, at most 255 bytes
};

/// The info of this host, now.
CaptureInfo capture_info_here();

/// Appends records to a new file, buffered. What was written before a crash can be read up to the torn record.
class CaptureWriter {
 public:
  /// Creates `path` (0600; it must not be there yet: captures hold other users' arguments and paths).
  /// Errors: errno of open or write; a host or kernel string longer than 255 bytes.
  static Result<CaptureWriter> create(const std::string& path, const CaptureInfo& info);
  CaptureWriter(CaptureWriter&&) noexcept = default;
  CaptureWriter& operator=(CaptureWriter&&) = delete;
  ~CaptureWriter();

  /// Appends one record. Errors: errno of write (then the file ends in a torn record); larger than a record may be.
  Result<void> write(std::span<const std::byte> record);
  /// Gives all that was written to the kernel. The destructor does it too, but cannot say when it fails.
  Result<void> flush();
  /// Bytes written, header included.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  CaptureWriter(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  Fd fd_;
  std::string buffer_;
  uint64_t bytes_ = 0;
};

/// Reads a capture from its start, in pieces of a megabyte. Every byte is checked before it is believed.
class CaptureReader {
 public:
  /// Opens `path` and reads its header. Errors: errno; not a capture; another version; a damaged header.
  static Result<CaptureReader> open(const std::string& path);
  /// The same over bytes in memory, which must outlive the reader; `name` is used in errors.
  static Result<CaptureReader> over(std::span<const std::byte> bytes, std::string name);

  [[nodiscard]] const CaptureInfo& info() const { return info_; }
  /// The next record, valid until the next call; nothing at the end.
  /// Errors name file and offset: cut short, wrong length, wrong checksum. All records before were good; nothing
  /// after can be read.
  Result<std::optional<std::span<const std::byte>>> next();
  /// Where in the file the next record begins.
  [[nodiscard]] uint64_t offset() const { return offset_; }

 private:
  CaptureReader(std::string name, Fd fd) : name_(std::move(name)), fd_(std::move(fd)) {}
  Result<void> read_header();
  Result<bool> need(size_t count);
  [[nodiscard]] Error damaged(const std::string& what) const;

  std::string name_;
  Fd fd_;  ///< invalid when reading from memory
  std::vector<std::byte> buffer_;
  std::span<const std::byte> window_;  ///< what is in memory and not yet read
  uint64_t offset_ = 0;                ///< of window_'s first byte in the file
  CaptureInfo info_;
};

}  // namespace shrike::probe
