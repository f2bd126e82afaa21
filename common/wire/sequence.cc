#include "common/wire/sequence.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "common/base/bytes.h"
#include "common/wire/keys.h"

namespace shrike {
namespace {

// Then: number of profiles; each: path length, path, the fixed fields, number of n-grams, these; then a SHA-256.
constexpr std::string_view magic = "SHRKSEQ1";
constexpr size_t digest_bytes = 32;
constexpr size_t path_max = 4096;
constexpr size_t ngram_bytes = 12;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  store_le(bytes, value);
  out.append(bytes, sizeof bytes);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    if (bytes_.size() - at_ < sizeof(T)) {
      cut_ = true;
      return 0;
    }
    const T value = load_le<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view text(size_t length) {
    if (bytes_.size() - at_ < length) {
      cut_ = true;
      return {};
    }
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  [[nodiscard]] size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] bool cut() const { return cut_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool cut_ = false;
};

Error no_profiles(const std::string& what) { return {"sequence profiles: " + what}; }

Result<SequenceProfile> read_profile(Reader& in, const SequenceLimits& limits, size_t& total) {
  SequenceProfile p;
  const auto path_length = in.number<uint16_t>();
  if (path_length > path_max) return no_profiles("a path of " + std::to_string(path_length) + " bytes");
  p.path = in.text(path_length);
  p.id.device = in.number<uint32_t>();
  p.id.inode = in.number<uint64_t>();
  p.id.ctime_ns = in.number<uint64_t>();
  p.id.image = in.number<uint64_t>();
  p.mtime_ns = in.number<uint64_t>();
  p.uid = in.number<uint32_t>();
  const auto state = in.number<uint32_t>();
  if (state > 3) return no_profiles("unknown state " + std::to_string(state));
  p.settled = (state & 1) != 0;
  p.full = (state & 2) != 0;
  p.learn_left_ns = in.number<uint64_t>();
  p.calls = in.number<uint64_t>();
  p.quiet_calls = in.number<uint64_t>();
  p.seen_ns = in.number<uint64_t>();
  const auto count = in.number<uint32_t>();
  if (in.cut() || in.left() / ngram_bytes < count) return no_profiles("cut");
  total += count;
  if (count > limits.ngrams_each || total > limits.ngrams)
    return no_profiles("more n-grams than allowed: " + std::to_string(count) + " of one program, " +
                       std::to_string(total) + " of all");
  p.ngrams.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Ngram ngram;
    ngram.last = in.number<uint64_t>();
    ngram.first = in.number<uint32_t>();
    if (!p.ngrams.empty() && !(p.ngrams.back() < ngram)) return no_profiles("n-grams are not in order");
    p.ngrams.push_back(ngram);
  }
  return p;
}

}  // namespace

std::string encode_profiles(std::span<const SequenceProfile> profiles) {
  std::string out(magic);
  put(out, static_cast<uint32_t>(profiles.size()));
  for (const SequenceProfile& p : profiles) {
    const std::string_view path = std::string_view(p.path).substr(0, path_max);
    put(out, static_cast<uint16_t>(path.size()));
    out += path;
    put(out, p.id.device);
    put(out, p.id.inode);
    put(out, p.id.ctime_ns);
    put(out, p.id.image);
    put(out, p.mtime_ns);
    put(out, p.uid);
    put(out, (p.settled ? 1u : 0u) | (p.full ? 2u : 0u));
    put(out, p.learn_left_ns);
    put(out, p.calls);
    put(out, p.quiet_calls);
    put(out, p.seen_ns);
    put(out, static_cast<uint32_t>(p.ngrams.size()));
    for (const Ngram& ngram : p.ngrams) {
      put(out, ngram.last);
      put(out, ngram.first);
    }
  }
  out += as_bytes(sha256(out));
  return out;
}

Result<std::vector<SequenceProfile>> decode_profiles(std::string_view bytes, const SequenceLimits& limits) {
  if (bytes.size() < magic.size() + digest_bytes) return no_profiles("cut: " + std::to_string(bytes.size()) + " bytes");
  if (!bytes.starts_with(magic)) return no_profiles("not a file of this version");
  const std::string_view body = bytes.substr(0, bytes.size() - digest_bytes);
  if (as_bytes(sha256(body)) != bytes.substr(body.size())) return no_profiles("cut or damaged: the checksum differs");
  Reader in(body.substr(magic.size()));
  const auto count = in.number<uint32_t>();
  if (in.cut()) return no_profiles("cut");
  if (count > limits.programs) return no_profiles(std::to_string(count) + " programs are too many");
  std::vector<SequenceProfile> profiles;
  size_t total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    profiles.push_back(TRY(read_profile(in, limits, total)));
    if (in.cut()) return no_profiles("cut");
  }
  if (in.left() != 0) return no_profiles(std::to_string(in.left()) + " bytes too many");
  return profiles;
}

void merge_profile(SequenceProfile& into, const SequenceProfile& other, const SequenceLimits& limits) {
  std::vector<Ngram> all;
  all.reserve(into.ngrams.size() + other.ngrams.size());
  std::set_union(into.ngrams.begin(), into.ngrams.end(), other.ngrams.begin(), other.ngrams.end(),
                 std::back_inserter(all));
  into.full = into.full || other.full;
  if (all.size() > limits.ngrams_each) {
    // Its own first: a merge must not make a node forget.
    std::vector<Ngram> own = into.ngrams;
    for (const Ngram& ngram : other.ngrams) {
      if (own.size() >= limits.ngrams_each) break;
      if (!std::binary_search(into.ngrams.begin(), into.ngrams.end(), ngram)) own.push_back(ngram);
    }
    std::sort(own.begin(), own.end());
    all = std::move(own);
    into.full = true;
  }
  into.ngrams = std::move(all);
  into.calls += other.calls;
  into.quiet_calls = std::max(into.quiet_calls, other.quiet_calls);
  into.learn_left_ns = std::min(into.learn_left_ns, other.learn_left_ns);
  into.settled = into.settled || other.settled;
  if (into.path.empty()) into.path = other.path;
}

size_t merge_profiles(std::vector<SequenceProfile>& into, std::span<const SequenceProfile> other,
                      const SequenceLimits& limits) {
  std::map<std::pair<std::string_view, uint64_t>, const SequenceProfile*> theirs;
  for (const SequenceProfile& p : other)
    if (p.shareable()) theirs.emplace(std::pair{std::string_view(p.path), p.mtime_ns}, &p);
  size_t found = 0;
  size_t total = 0;
  for (const SequenceProfile& p : into) total += p.ngrams.size();
  for (SequenceProfile& mine : into) {
    if (!mine.shareable()) continue;
    const auto at = theirs.find({mine.path, mine.mtime_ns});
    if (at == theirs.end()) continue;
    ++found;
    SequenceLimits left = limits;
    const size_t others = total - mine.ngrams.size();
    left.ngrams_each = std::min(limits.ngrams_each, limits.ngrams > others ? limits.ngrams - others : 0);
    left.ngrams_each = std::max(left.ngrams_each, mine.ngrams.size());
    merge_profile(mine, *at->second, left);
    total = others + mine.ngrams.size();
  }
  return found;
}

std::string sequence_call_text(uint16_t call) {
  if (call == 0xffff) return "start";
  const std::string number = std::to_string(call & 0x0fff);
  switch (call >> 12) {
    case 0:
      return "x86_64:" + number;
    case 1:
      return "i386:" + number;
    case 2:
      return "x32:" + number;
    case 3:
      return "io_uring:" + number;
    default:
      return "unknown:" + std::to_string(call);
  }
}

std::vector<uint16_t> calls_of(const Ngram& ngram) {
  std::vector<uint16_t> calls = {static_cast<uint16_t>(ngram.first >> 16), static_cast<uint16_t>(ngram.first)};
  for (int shift = 48; shift >= 0; shift -= 16) calls.push_back(static_cast<uint16_t>(ngram.last >> shift));
  return calls;
}

}  // namespace shrike
