#pragma once
// Sequence scoring in the kernel (bpf/sequence), loaded beside the other programs when it is wanted.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/wire/sequence.h"

namespace shrike::probe {

enum class SequenceMode : uint8_t { off, learn, detect };

struct SequenceOptions {
  SequenceMode mode = SequenceMode::off;
  uint32_t sample = 1;                         ///< one thread of so many; 1: all
  std::vector<uint64_t> excluded_cgroups;      ///< v2 ids; what is below them is left out too
  uint64_t learn_ns = 600'000'000'000;         ///< detect: a new program is learned at least so long,
  uint64_t learn_calls = 20'000;               ///< and until so many of its calls brought nothing new
  uint64_t tell_again_ns = 3'600'000'000'000;  ///< the same 6-gram of the same program is told again after this
  uint32_t reports_per_s = 10;                 ///< of each program
  SequenceLimits limits = {};                  ///< what there is room for
  std::vector<SequenceProfile> known = {};     ///< what it begins with; of what is beyond the limits, the first
};

/// Totals since the load, counted in the kernel.
struct SequenceCounters {
  uint64_t calls = 0;          ///< scored, to a multiple of 64 a thread
  uint64_t programs = 0;       ///< known, those loaded included
  uint64_t programs_full = 0;  ///< executions not scored: too many programs
  uint64_t learned = 0;        ///< n-grams added
  uint64_t told = 0;           ///< n-grams reported
  uint64_t repeated = 0;       ///< not reported again
  uint64_t held_back = 0;      ///< beyond reports_per_s
  uint64_t profile_full = 0;   ///< n-grams not added: their program has too many
  uint64_t table_full = 0;     ///< n-grams not added: no room for any
  uint64_t unstored = 0;       ///< calls not scored: no memory for the thread's window
  uint64_t excluded = 0;       ///< programs' starts in excluded cgroups
};

/// The programs exist while it does. Safe to ask from another thread than the one that made it.
class SequenceObject {
 public:
  /// Loads the programs. `map_of`: descriptor of the map of that name which the other programs use, -1 when they have
  /// none: rings and counters are theirs. `notes` receives what this kernel lacks. Errors: the program, and the
  /// verifier's last words; no memory for the maps.
  static Result<SequenceObject> load(const SequenceOptions& options, uint32_t shards, uint32_t self_tgid,
                                     const std::function<int(const std::string&)>& map_of,
                                     std::vector<std::string>& notes);
  SequenceObject(SequenceObject&&) noexcept;
  SequenceObject& operator=(SequenceObject&&) noexcept;
  ~SequenceObject();

  /// Attaches all that are loaded, or none. Errors: which one, and why.
  Result<void> attach();

  /// Everything known of every program now; paths are empty. Cost: about 5 ms with 2^18 n-grams.
  [[nodiscard]] std::vector<SequenceProfile> profiles() const;
  [[nodiscard]] SequenceCounters counters() const;

  /// Kernel ids, for the agent's watch over itself: programs by name, maps that only these use, links.
  [[nodiscard]] std::map<std::string, uint32_t> programs() const;
  [[nodiscard]] std::vector<uint32_t> own_maps() const;
  [[nodiscard]] std::vector<uint32_t> links() const;

 private:
  struct Impl;
  explicit SequenceObject(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::probe
