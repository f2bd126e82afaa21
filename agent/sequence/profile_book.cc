#include "agent/sequence/profile_book.h"

#include <unistd.h>

#include <algorithm>

#include "common/base/file.h"
#include "common/wire/fleet_profiles.h"

namespace shrike::sequence {
namespace {

constexpr size_t file_max_bytes = 64u << 20;

}  // namespace

Result<std::vector<SequenceProfile>> ProfileBook::load(uint64_t now_ns) {
  if (::access(options_.file.c_str(), F_OK) != 0 && errno == ENOENT) return std::vector<SequenceProfile>();
  const std::string bytes = TRY(read_file(options_.file, file_max_bytes));
  auto opened = open_profiles(bytes, key_.public_key(), options_.limits, ProfileSeal::node);
  if (!opened) return opened.error().in(options_.file);
  std::vector<SequenceProfile> profiles = std::move(opened).value();
  forget_old(profiles, now_ns);
  for (const SequenceProfile& p : profiles) saw(p.id, p.path);
  return profiles;
}

Result<size_t> ProfileBook::save(std::vector<SequenceProfile> profiles, uint64_t now_ns) {
  const std::string bytes = bytes_of(std::move(profiles), now_ns);
  TRY_VOID(write_file_atomic(options_.file, bytes, 0600));
  return bytes.size();
}

std::string ProfileBook::bytes_of(std::vector<SequenceProfile> profiles, uint64_t now_ns) const {
  return seal_profiles(tidied(std::move(profiles), now_ns), key_, ProfileSeal::node);
}

std::vector<SequenceProfile> ProfileBook::tidied(std::vector<SequenceProfile> profiles, uint64_t now_ns) const {
  forget_old(profiles, now_ns);
  put_paths(profiles);
  return profiles;
}

void ProfileBook::saw(const ProgramId& id, std::string_view path) {
  if (path.empty() || path.size() > 4096) return;
  if (paths_.size() >= 2 * options_.limits.programs && !paths_.contains(id)) return;
  paths_.insert_or_assign(id, std::string(path));
}

std::string_view ProfileBook::path_of(const ProgramId& id) const {
  const auto at = paths_.find(id);
  return at == paths_.end() ? std::string_view() : std::string_view(at->second);
}

std::vector<SequenceProfile> ProfileBook::changed(const std::vector<SequenceProfile>& profiles) {
  std::vector<SequenceProfile> out;
  // A program that keeps growing must not keep the others from being heard of at all.
  for (const bool again : {false, true})
    for (const SequenceProfile& p : profiles) {
      if (out.size() >= options_.ship_at_once) return out;
      const auto before = shipped_.find(p.id);
      const bool was_shipped = before != shipped_.end();
      if (!p.settled || was_shipped != again) continue;
      if (was_shipped && p.ngrams.size() < before->second + before->second / 10 + 1) continue;
      if (auto candidate = shareable(p)) {
        shipped_[p.id] = p.ngrams.size();
        out.push_back(std::move(*candidate));
      }
    }
  return out;
}

std::optional<SequenceProfile> ProfileBook::shareable(const SequenceProfile& profile) const {
  SequenceProfile candidate = profile;
  candidate.path = path_of(profile.id);
  if (!candidate.shareable()) return std::nullopt;
  if (options_.find) {
    const auto here = options_.find(candidate.path, candidate.mtime_ns);
    if (!here || here->inode != profile.id.inode || here->ctime_ns != profile.id.ctime_ns) return std::nullopt;
  }
  return candidate;
}

void ProfileBook::put_paths(std::vector<SequenceProfile>& profiles) const {
  for (SequenceProfile& p : profiles) p.path = path_of(p.id);
}

void ProfileBook::forget_old(std::vector<SequenceProfile>& profiles, uint64_t now_ns) const {
  if (options_.keep_ns != 0)
    std::erase_if(profiles,
                  [&](const SequenceProfile& p) { return p.seen_ns != 0 && p.seen_ns + options_.keep_ns < now_ns; });
  std::stable_sort(profiles.begin(), profiles.end(),
                   [](const SequenceProfile& a, const SequenceProfile& b) { return a.seen_ns > b.seen_ns; });
  if (profiles.size() > options_.limits.programs) profiles.resize(options_.limits.programs);
  size_t total = 0;
  for (SequenceProfile& p : profiles) {
    if (p.ngrams.size() > options_.limits.ngrams_each) p.ngrams.resize(options_.limits.ngrams_each);
    if (total + p.ngrams.size() > options_.limits.ngrams) p.ngrams.resize(options_.limits.ngrams - total);
    total += p.ngrams.size();
  }
}

}  // namespace shrike::sequence
