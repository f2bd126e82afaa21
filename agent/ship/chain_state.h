#pragma once
// state_dir/chain: what the agent must remember beside the spool to go on with its chains.
//
// Lines of text: "shrike chain 1", "host_boot <id>", "boot <32 hex>", and for each lane "head <lane> <boot> <seq>
// <hash>" and "acked <lane> <boot> <seq>". The heads are those whose batches were on the disk when it was written: the
// spool's own tail may be ahead of it, never behind unless batches vanished.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/wire/batch.h"
#include "common/wire/chain.h"

namespace shrike::ship {

inline constexpr std::array both_lanes = {Lane::alerts, Lane::telemetry};
inline size_t lane_index(Lane lane) { return lane == Lane::alerts ? 0 : 1; }

/// Up to where a lane's batches are on the collector's disk.
struct Acked {
  BootId boot{};
  uint64_t seq = 0;  ///< 0: nothing of that boot
  bool operator==(const Acked&) const = default;
};

struct ChainState {
  std::string host_boot;  ///< the kernel's boot id when `boot` was made
  BootId boot{};
  struct LaneState {
    ChainHead head;  ///< head.seq == 0: nothing sealed yet
    Acked acked;
  };
  std::array<LaneState, 2> lanes;  ///< by lane_index
};

/// Errors name the line and what is wrong with it.
Result<ChainState> parse_chain_state(std::string_view text);
std::string format_chain_state(const ChainState& state);

/// 16 random bytes.
BootId new_boot_id();

}  // namespace shrike::ship
