#include "agent/sequence/fleet.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "common/base/mounts.h"

namespace shrike::sequence {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;

uint64_t ns_of(const statx_timestamp& time) { return static_cast<uint64_t>(time.tv_sec) * second_ns + time.tv_nsec; }

size_t room(size_t limit) { return limit - limit / 4; }

}  // namespace

std::optional<ProgramId> program_at(const std::string& path, uint64_t mtime_ns) {
  struct statx st {};
  // The path is the kernel's own, which has no link in it.
  if (path.empty() || path.front() != '/' ||
      ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, &st) !=
          0)
    return std::nullopt;
  if (!S_ISREG(st.stx_mode) || st.stx_uid != 0 || (st.stx_mode & 0022) != 0 || ns_of(st.stx_mtime) != mtime_ns)
    return std::nullopt;
  ProgramId id;
  id.inode = st.stx_ino;
  id.ctime_ns = ns_of(st.stx_ctime);
  id.device = device_number(st.stx_dev_major, st.stx_dev_minor);
  if (st.stx_dev_major == 0 && (st.stx_mask & STATX_MNT_ID) != 0) {
    const auto devices = devices_of_mounts();
    if (const auto device = devices.find(st.stx_mnt_id); device != devices.end()) id.device = device->second;
  }
  return id;
}

FleetTaken take_fleet(std::vector<SequenceProfile>& known, std::span<const SequenceProfile> fleet,
                      const FindProgram& find, const SequenceLimits& limits, uint64_t now_ns) {
  FleetTaken taken;
  std::map<ProgramId, size_t> place;
  size_t ngrams = 0;
  for (size_t i = 0; i < known.size(); ++i) {
    place.emplace(known[i].id, i);
    ngrams += known[i].ngrams.size();
  }
  for (const SequenceProfile& theirs : fleet) {
    if (!theirs.shareable()) continue;
    const auto id = find(theirs.path, theirs.mtime_ns);
    if (!id) continue;
    const auto at = place.find(*id);
    const bool is_new = at == place.end();
    SequenceProfile mine = is_new ? SequenceProfile() : known[at->second];
    const size_t before = mine.ngrams.size();
    if (is_new) {
      mine.id = *id;
      mine.mtime_ns = theirs.mtime_ns;
      mine.seen_ns = now_ns;
    }
    merge_profile(mine, theirs, limits);
    const size_t more = mine.ngrams.size() - before;
    if (ngrams + more > room(limits.ngrams) || (is_new && known.size() >= room(limits.programs))) {
      ++taken.no_room;
      continue;
    }
    ++taken.programs;
    taken.ngrams += more;
    ngrams += more;
    if (is_new) {
      place.emplace(*id, known.size());
      known.push_back(std::move(mine));
    } else {
      known[at->second] = std::move(mine);
    }
  }
  return taken;
}

}  // namespace shrike::sequence
