#pragma once
// Two SHA-256 at once. A processor with SHA extensions waits for each round of one message; the rounds of a second fit
// into the waiting. Leaves and nodes of a Merkle tree are short and many, so they come in pairs.

#include <string_view>

#include "common/wire/keys.h"

namespace shrike {

/// SHA-256 of prefix || first and of prefix || second, as sha256() would give them one by one.
/// Cost with SHA extensions: about 1.2 times one alone; without: two.
void sha256_pair(char prefix, std::string_view first, std::string_view second, Digest& of_first, Digest& of_second);

}  // namespace shrike
