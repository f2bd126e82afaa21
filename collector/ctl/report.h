#pragma once
// What `shrike verify` says.

#include <string>
#include <vector>

#include "collector/ctl/options.h"
#include "collector/proof.h"
#include "collector/verify.h"

namespace shrike::ctl {

/// 0 proven, 1 refuted, 2 could not tell.
Exit exit_of(const collector::VerifyReport& report);
/// The verdict first, then every finding that was kept, then the chains.
std::vector<std::string> report_as_text(const collector::VerifyReport& report, bool colour);
/// One JSON object with the same.
std::string report_as_json(const collector::VerifyReport& report);

/// Of one exported event. `key_known`: the key in the proof is the one that --keys gives for the node.
std::vector<std::string> proof_as_text(const collector::CheckedProof& proof, bool key_known, bool colour);
std::string proof_as_json(const collector::CheckedProof& proof, bool key_known);

/// "boot's first eight digits": enough to tell a node's boots apart.
std::string short_boot(const BootId& boot);

}  // namespace shrike::ctl
