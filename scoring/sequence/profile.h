#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "scoring/sequence/call_sets.h"
#include "scoring/sequence/ngrams.h"

namespace shrike::scoring::sequence {

/// What one program (or one container image) is known to do: the n-grams and the sets of calls of its normal traces,
/// and how they scored. Time passes in epochs, which the owner counts (a day, say): what has not been seen for long can
/// be forgotten.
class Profile {
 public:
  struct Limits {
    size_t ngrams = 4u << 20;
    size_t sets = 8192;
  };
  static constexpr size_t max_past = 4096;

  Profile() : Profile(Limits()) {}
  explicit Profile(Limits limits) : sets_(limits.sets), ngrams_(limits.ngrams), limits_(limits) {}

  /// Learns a normal trace. An empty one is nothing. Cost: about 1 us a call.
  void learn(std::span<const Call> trace);
  /// Traces learnt so far.
  [[nodiscard]] uint32_t traces() const { return sets_.traces(); }
  /// What did not fit any more: n-grams and sets refused.
  [[nodiscard]] uint64_t refused() const { return ngrams_.refused() + sets_.refused(); }

  /// Whether this run of at most NgramCounts::order calls was seen.
  [[nodiscard]] bool knows(std::span<const Call> ngram) const { return ngrams_.find(ngram) != NgramCounts::none; }

  [[nodiscard]] const NgramCounts& ngrams() const { return ngrams_; }
  [[nodiscard]] const KnownSets& sets() const { return sets_; }

  /// Scores of normal traces, oldest first: what a Calibration begins with. At most max_past, the newest, are kept.
  [[nodiscard]] const std::vector<float>& past() const { return past_; }
  void set_past(std::vector<float> scores);

  /// The score that each of `traces`, all of which were learnt, would have had without having been learnt itself.
  /// Changes nothing in the end. Cost: about 2 us a call.
  std::vector<float> leave_one_out(std::span<const Trace> traces);

  /// Adds what another node knows of the same program. The newest epochs of both are taken for the same time.
  void merge(const Profile& other);
  [[nodiscard]] uint16_t epoch() const { return epoch_; }
  void next_epoch();
  /// Forgets what was not seen in the last `epochs` epochs, the present one included.
  void forget(uint16_t epochs);

  /// As bytes: a version, all of the above and a SHA-256 over it, which finds damage. It does not prove who wrote it;
  /// that is the signature of the batch a profile travels in.
  [[nodiscard]] std::string save() const;
  /// Reads what save() wrote. Errors: not a profile, another version, cut, damaged, above `limits`, contradictory.
  static Result<Profile> load(std::string_view bytes, Limits limits);
  static Result<Profile> load(std::string_view bytes) { return load(bytes, Limits()); }

 private:
  KnownSets sets_;
  NgramCounts ngrams_;
  Limits limits_;
  std::vector<float> past_;
  uint16_t epoch_ = 0;
};

}  // namespace shrike::scoring::sequence
