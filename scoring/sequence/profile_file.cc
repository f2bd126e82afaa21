// The bytes of a profile. Numbers are varints (seven bits a byte, least significant first) unless said otherwise.
//
//   "SHRSEQ\n", version (one byte)
//   epoch
//   sets: how many; each: how many calls, the first, the gaps between the others; count; epochs since
//   n-grams, as a tree from the root on: how many children; each: call, count, epochs since, and its own children
//   past: how many, each a float of four bytes
//   SHA-256 of all of the above

#include <bit>
#include <cmath>
#include <cstring>

#include "common/base/bytes.h"
#include "common/wire/sha256.h"
#include "scoring/sequence/profile.h"

namespace shrike::scoring::sequence {
namespace {

constexpr std::string_view magic = "SHRSEQ\n";
constexpr char version = 1;

void put_number(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  // A number from `low` to `high`; the first that is not makes all later ones `low`.
  uint64_t number(const char* what, uint64_t low, uint64_t high) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (failed() || bytes_.empty() || shift > 35) return fail(what), low;
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (value < low || value > high) return fail(what), low;
    return value;
  }
  float score() {
    if (failed() || bytes_.size() < 4) return fail("score"), 0;
    const auto value = std::bit_cast<float>(load_le<uint32_t>(bytes_.data()));
    bytes_.remove_prefix(4);
    if (!std::isfinite(value) || value < 0) fail("score");
    return value;
  }
  void fail(const char* what) {
    if (wrong_ == nullptr) wrong_ = what;
  }
  [[nodiscard]] bool failed() const { return wrong_ != nullptr; }
  [[nodiscard]] Error error() const { return {std::string("damaged profile: wrong ") + wrong_}; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  const char* wrong_ = nullptr;
};

// Children of each node, as a list through the nodes.
struct Children {
  explicit Children(const NgramCounts& counts) : first(counts.size(), NgramCounts::none), next(first) {
    how_many.assign(counts.size(), 0);
    for (auto i = static_cast<uint32_t>(counts.size()); i-- > 1;) {
      const NgramCounts::Node& node = counts.node(i);
      if (node.count == 0) continue;
      next[i] = first[node.parent];
      first[node.parent] = i;
      ++how_many[node.parent];
    }
  }
  std::vector<uint32_t> first, next, how_many;
};

void put_ngrams(std::string& out, const NgramCounts& counts, uint16_t epoch) {
  const Children children(counts);
  put_number(out, children.how_many[NgramCounts::root]);
  uint32_t at = children.first[NgramCounts::root];
  while (at != NgramCounts::none) {
    const NgramCounts::Node& node = counts.node(at);
    put_number(out, node.call);
    put_number(out, node.count);
    put_number(out, static_cast<uint64_t>(epoch) - node.epoch);
    put_number(out, children.how_many[at]);
    if (children.first[at] != NgramCounts::none) {
      at = children.first[at];
      continue;
    }
    while (at != NgramCounts::root && children.next[at] == NgramCounts::none) at = counts.node(at).parent;
    at = at == NgramCounts::root ? NgramCounts::none : children.next[at];
  }
}

void read_ngrams(Reader& in, NgramCounts& counts, uint16_t epoch) {
  struct Level {
    uint32_t node;
    uint64_t left;
  };
  std::vector<Level> path{{NgramCounts::root, in.number("number of n-grams", 0, call_limit)}};
  while (!path.empty() && !in.failed()) {
    if (path.back().left == 0) {
      path.pop_back();
      continue;
    }
    --path.back().left;
    const uint32_t parent = path.back().node;
    const auto call = static_cast<Call>(in.number("call", 0, call_limit - 1));
    const auto count = static_cast<uint32_t>(in.number("count of an n-gram", 1, NgramCounts::none));
    const auto seen = static_cast<uint16_t>(epoch - in.number("epoch", 0, epoch));
    const uint64_t children = in.number("number of n-grams", 0, call_limit);
    if (in.failed()) return;
    if (counts.child(parent, call) != NgramCounts::none) return in.fail("n-gram: it is there twice");
    if (!counts.put(parent, call, count, seen)) return in.fail("n-gram: too many, too long or counted too often");
    path.push_back({counts.child(parent, call), children});
  }
}

void read_sets(Reader& in, KnownSets& sets, uint16_t epoch, size_t limit) {
  uint64_t traces = 0;
  for (uint64_t left = in.number("number of sets", 0, limit); left > 0 && !in.failed(); --left) {
    CallSet calls;
    uint64_t call = 0;
    const uint64_t size = in.number("size of a set", 1, call_limit);
    for (uint64_t i = 0; i < size && !in.failed(); ++i) {
      call += in.number("call", i == 0 ? 0 : 1, call_limit - 1);
      if (call >= call_limit) return in.fail("call");
      calls.set(call);
    }
    const uint64_t count = in.number("count of a set", 1, NgramCounts::none);
    const auto seen = static_cast<uint16_t>(epoch - in.number("epoch", 0, epoch));
    traces += count;
    if (traces > NgramCounts::none) in.fail("count of a set");
    if (!in.failed()) sets.add(calls, static_cast<uint32_t>(count), seen);
  }
}

}  // namespace

std::string Profile::save() const {
  std::string out(magic);
  out += version;
  put_number(out, epoch_);
  put_number(out, sets_.sets().size());
  for (const KnownSet& set : sets_.sets()) {
    put_number(out, set.calls.count());
    size_t before = 0;
    for (size_t call = set.calls._Find_first(); call < call_limit; call = set.calls._Find_next(call)) {
      put_number(out, call - before);
      before = call;
    }
    put_number(out, set.count);
    put_number(out, static_cast<uint64_t>(epoch_) - set.epoch);
  }
  put_ngrams(out, ngrams_, epoch_);
  put_number(out, past_.size());
  for (const float score : past_) {
    char four[4];
    store_le(four, std::bit_cast<uint32_t>(score));
    out.append(four, sizeof four);
  }
  const Digest digest = Sha256().add(out).finish();
  out.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return out;
}

Result<Profile> Profile::load(std::string_view bytes, Limits limits) {
  if (bytes.substr(0, magic.size()) != magic) return Error{"not a profile"};
  if (bytes.size() <= magic.size()) return Error{"the profile is cut"};
  if (bytes[magic.size()] != version) {
    return Error{"a profile of version " + std::to_string(static_cast<unsigned char>(bytes[magic.size()])) +
                 ", this program reads version " + std::to_string(version)};
  }
  if (bytes.size() < magic.size() + 1 + Digest().size()) return Error{"the profile is cut"};
  const std::string_view body = bytes.substr(0, bytes.size() - Digest().size());
  const Digest digest = Sha256().add(body).finish();
  if (std::memcmp(digest.data(), bytes.data() + body.size(), digest.size()) != 0) {
    return Error{"the profile is cut or damaged: its checksum does not match"};
  }
  // What follows has to hold even so: who forges a profile makes its checksum too.
  Reader in(body.substr(magic.size() + 1));
  Profile profile(limits);
  profile.epoch_ = static_cast<uint16_t>(in.number("epoch", 0, 0xffff));
  read_sets(in, profile.sets_, profile.epoch_, limits.sets);
  read_ngrams(in, profile.ngrams_, profile.epoch_);
  const uint64_t scores = in.number("number of scores", 0, max_past);
  for (uint64_t i = 0; i < scores && !in.failed(); ++i) profile.past_.push_back(in.score());
  if (!in.failed() && !in.empty()) in.fail("end: something follows it");
  if (in.failed()) return in.error();
  return profile;
}

}  // namespace shrike::scoring::sequence
