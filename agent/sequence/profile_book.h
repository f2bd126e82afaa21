#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sequence/fleet.h"
#include "common/base/result.h"
#include "common/wire/keys.h"
#include "common/wire/sequence.h"

namespace shrike::sequence {

struct BookOptions {
  std::string file;
  SequenceLimits limits = {};
  uint64_t keep_ns = 30ull * 86'400 * 1'000'000'000;  ///< programs not executed for so long are forgotten; 0: never
  size_t ship_at_once = 16;                           ///< profiles shipped by one changed()
  /// Where the program of a path and mtime is on this host: only what is there is shipped, so that a container's file
  /// of that name and time is not taken for the host's. Unset: all are.
  FindProgram find = {};
};

/// The profiles as they are kept: signed on disk, with the paths that the kernel half does not know.
class ProfileBook {
 public:
  ProfileBook(BookOptions options, PrivateKey key) : options_(std::move(options)), key_(std::move(key)) {}

  /// What was saved, the most recently executed first; nothing when there is no file. Errors: the file is cut, damaged,
  /// above the limits, or not signed by this node: whoever gets one starts afresh, and says so.
  Result<std::vector<SequenceProfile>> load(uint64_t now_ns);
  /// Saves what the kernel knows now, as tidied() has it. Returns how many bytes. Errors: the file cannot be written;
  /// the old one stays.
  Result<size_t> save(std::vector<SequenceProfile> profiles, uint64_t now_ns);
  /// What save() would write, for a thread that may wait for the disk. Cost: about 10 ms for 2^18 n-grams.
  [[nodiscard]] std::string bytes_of(std::vector<SequenceProfile> profiles, uint64_t now_ns) const;
  /// With their paths, without those executed too long ago, the most recently executed first and no more than the
  /// limits.
  [[nodiscard]] std::vector<SequenceProfile> tidied(std::vector<SequenceProfile> profiles, uint64_t now_ns) const;
  [[nodiscard]] const std::string& file() const { return options_.file; }

  /// An execution showed where this program is.
  void saw(const ProgramId& id, std::string_view path);
  [[nodiscard]] std::string_view path_of(const ProgramId& id) const;

  /// Of `profiles`, those that have settled or grown by a tenth since they were last returned, with their paths; a few
  /// at a time, those never shipped first. Only settled ones, and only of executables whose identity means something
  /// elsewhere.
  std::vector<SequenceProfile> changed(const std::vector<SequenceProfile>& profiles);

 private:
  /// With its path, when it means something elsewhere.
  [[nodiscard]] std::optional<SequenceProfile> shareable(const SequenceProfile& profile) const;
  void put_paths(std::vector<SequenceProfile>& profiles) const;
  void forget_old(std::vector<SequenceProfile>& profiles, uint64_t now_ns) const;

  BookOptions options_;
  PrivateKey key_;
  std::map<ProgramId, std::string> paths_;  // at most twice limits.programs
  std::map<ProgramId, size_t> shipped_;     // n-grams it had then
};

}  // namespace shrike::sequence
