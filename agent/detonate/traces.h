#pragma once
// The order of a job's calls, scored against a background that was fitted to normal programs (scoring/sequence).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/call.h"
#include "scoring/sequence/profile.h"

namespace shrike::detonate {

class Traces {
 public:
  static constexpr size_t calls_most = 4u << 20;  ///< of all processes together; what comes after is not scored
  static constexpr size_t processes_most = 256;
  static constexpr size_t calls_least = 32;  ///< a shorter trace says nothing

  void add(const sandbox::Call& call);

  struct Worst {
    uint32_t pid = 0;
    size_t calls = 0;
    double score = 0;
    double p_value = 1;  ///< share of normal traces that score as high
  };
  /// The process least like the background. Nothing where none made enough calls, or the background knows no normal
  /// scores. Cost: about 0.5 us for each of the background's n-grams and 15 ns a call.
  [[nodiscard]] std::optional<Worst> worst(const scoring::sequence::Profile& background) const;

 private:
  std::map<uint32_t, std::vector<scoring::sequence::Call>> traces_;
  size_t calls_ = 0;
};

}  // namespace shrike::detonate
