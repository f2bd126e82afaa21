#include "collector/profiles.h"

#include <nlohmann/json.hpp>

#include "collector/event_query.h"
#include "common/base/clock.h"
#include "common/wire/event.h"

namespace shrike::collector {
namespace {

// A profile is most of its event: path2.
constexpr uint32_t path2_field = 9;

bool may_be_profile(std::string_view event) {
  // Field 1 of an EventMessage comes first: its kind.
  return event.size() > 2 && event[0] == 8 &&
         static_cast<uint8_t>(event[1]) == static_cast<uint8_t>(EventKind::sequence);
}

// 6-grams of `profile` that no other of the nodes has.
size_t alone(const ProgramProfiles& program, const std::vector<SequenceProfile>& profiles, size_t at) {
  size_t count = 0;
  for (const Ngram& ngram : profiles[at].ngrams) {
    bool others = false;
    for (size_t i = 0; i < program.nodes.size() && !others; ++i)
      others = i != at && std::binary_search(profiles[i].ngrams.begin(), profiles[i].ngrams.end(), ngram);
    count += others ? 0 : 1;
  }
  return count;
}

std::vector<SequenceProfile> opened(const ProgramProfiles& program) {
  std::vector<SequenceProfile> profiles;
  for (const ProfileRow& row : program.nodes) {
    auto decoded = decode_profiles(row.body, fleet_limits);
    profiles.push_back(decoded && decoded->size() == 1 ? std::move(decoded->front()) : SequenceProfile());
  }
  return profiles;
}

}  // namespace

std::vector<ProfileRow> profiles_of(const BatchHeader& header, const OpenPayload& payload, uint64_t received_ns) {
  std::vector<ProfileRow> rows;
  for (const std::string_view event : payload.events) {
    if (!may_be_profile(event)) continue;
    const std::string_view body = bytes_field(event, path2_field);
    if (body.empty()) continue;
    const auto profiles = decode_profiles(body, fleet_limits);
    if (!profiles || profiles->size() != 1) continue;
    const SequenceProfile& profile = profiles->front();
    if (!profile.shareable() || !profile.settled || profile.mtime_ns > INT64_MAX) continue;
    ProfileRow row;
    row.node = header.node;
    row.path = profile.path;
    row.mtime_ns = profile.mtime_ns;
    row.received_ns = received_ns;
    row.calls = std::min<uint64_t>(profile.calls, INT64_MAX);
    row.ngrams = profile.ngrams.size();
    row.full = profile.full;
    row.body = body;
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<void> each_program(IndexReader& index, const ProfileQuery& query,
                          const std::function<bool(const ProgramProfiles&)>& each) {
  ProgramProfiles now;
  bool stopped = false;
  const auto told = [&]() -> bool { return now.nodes.empty() || each(now); };
  TRY_VOID(index.profiles(query, [&](ProfileRow row) {
    if (row.path != now.path || row.mtime_ns != now.mtime_ns) {
      stopped = !told();
      now = {row.path, row.mtime_ns, {}, 0};
    }
    if (now.nodes.size() < ProgramProfiles::nodes_max) {
      now.nodes.push_back(std::move(row));
    } else {
      ++now.passed_over;
    }
    return !stopped;
  }));
  if (!stopped) (void)told();
  return {};
}

std::string program_to_json(const ProgramProfiles& program, size_t min_nodes) {
  const auto profiles = opened(program);
  const FleetProfile fleet = merge_of_nodes(profiles, min_nodes, fleet_limits);
  nlohmann::ordered_json json = {{"path", program.path},
                                 {"modified", rfc3339(program.mtime_ns)},
                                 {"known", fleet.profile.ngrams.size()},
                                 {"left_out", fleet.left_out},
                                 {"min_nodes", min_nodes},
                                 {"nodes", nlohmann::ordered_json::array()}};
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const ProfileRow& row = program.nodes[i];
    json["nodes"].push_back({{"node", row.node},
                             {"received", rfc3339(row.received_ns)},
                             {"calls", row.calls},
                             {"known", row.ngrams},
                             {"alone", alone(program, profiles, i)},
                             {"full", row.full}});
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::string> fleet_file(IndexReader& index, const ProfileQuery& query, size_t min_nodes, const PrivateKey& key) {
  std::vector<SequenceProfile> merged;
  size_t ngrams = 0;
  bool too_many = false;
  TRY_VOID(each_program(index, query, [&](const ProgramProfiles& program) {
    if (program.nodes.size() < min_nodes) return true;
    const auto profiles = opened(program);
    FleetProfile fleet = merge_of_nodes(profiles, min_nodes, fleet_limits);
    if (fleet.profile.ngrams.empty()) return true;
    ngrams += fleet.profile.ngrams.size();
    too_many = merged.size() == fleet_limits.programs || ngrams > fleet_limits.ngrams;
    if (!too_many) merged.push_back(std::move(fleet.profile));
    return !too_many;
  }));
  if (too_many)
    return Error{"more profiles than one file holds (" + std::to_string(fleet_limits.programs) + " programs, " +
                 std::to_string(fleet_limits.ngrams) + " sequences): name paths"};
  return seal_profiles(merged, key, ProfileSeal::fleet);
}

}  // namespace shrike::collector
