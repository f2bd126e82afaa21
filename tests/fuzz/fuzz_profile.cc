// Saved profiles of sequences of calls.
//
// Threat model: a profile comes from a file or from another node. Damage is found by its checksum; who forges one makes
// the checksum too, so the rest of the reading has to hold by itself: the input's first byte says whether this target
// puts a right checksum under it. Whatever is read must be bounded, score finite, and be the same when saved and read
// again.
//
// link: shrike_sequence shrike_wire
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/wire/sha256.h"
#include "scoring/sequence/scorer.h"

namespace {

using namespace shrike;
using namespace shrike::scoring::sequence;

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > 20000) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const Digest digest = Sha256().add(bytes).finish();
    bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  const Profile::Limits limits{.ngrams = 3000, .sets = 100};
  auto profile = Profile::load(bytes, limits);
  if (!profile.ok()) {
    check(!profile.error().message.empty());
    return 0;
  }
  check(profile->ngrams().size() <= limits.ngrams + 1);
  check(profile->sets().sets().size() <= limits.sets);
  const std::string again = profile->save();
  const auto second = Profile::load(again, limits);
  check(second.ok() && second->save() == again);
  const std::vector<Call> trace{3, 5, 6, 3, 5, 1023, 0, 4, 4, 4, 197, 11};
  check(Scorer(*profile).score(trace).combined < 100);
  profile->learn(trace);
  profile->next_epoch();
  profile->merge(*second);
  profile->forget(1);
  const double score = Scorer(*profile).score(trace).combined;
  check(score >= 0 && score < 100);
  check(Profile::load(profile->save(), {.ngrams = 6000, .sets = 300}).ok());
  return 0;
}
