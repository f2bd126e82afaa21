#pragma once
// What nodes ship of their programs' calls: read out of batches, kept the newest of each node and program, merged for
// the fleet.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/index.h"
#include "common/wire/fleet_profiles.h"

namespace shrike::collector {

/// The profiles in a telemetry payload, with their node; what cannot be read, or is of no use elsewhere, is passed
/// over. Cost: about 1 ns an event of any other kind.
std::vector<ProfileRow> profiles_of(const BatchHeader& header, const OpenPayload& payload, uint64_t received_ns);

/// What several nodes know of one program.
struct ProgramProfiles {
  std::string path;
  uint64_t mtime_ns = 0;
  std::vector<ProfileRow> nodes;  ///< at most nodes_max, by name
  size_t passed_over = 0;         ///< nodes beyond that
  static constexpr size_t nodes_max = 256;
};

/// Calls `each` for every program that matches, by path and mtime. It returns false to stop. Errors: the index's.
Result<void> each_program(IndexReader& index, const ProfileQuery& query,
                          const std::function<bool(const ProgramProfiles&)>& each);

/// One line of GET /v1/profiles: a program, and what its nodes know of it.
std::string program_to_json(const ProgramProfiles& program, size_t min_nodes);

/// The file for GET /v1/profiles/fleet: of each program that at least `min_nodes` nodes have, what so many of them have
/// in common, signed. Errors: the index's; more than a file holds.
Result<std::string> fleet_file(IndexReader& index, const ProfileQuery& query, size_t min_nodes, const PrivateKey& key);

}  // namespace shrike::collector
