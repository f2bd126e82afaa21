#pragma once
// A file of nodes' public keys: lines of TOML, node = "64 hexadecimal digits".

#include <map>
#include <string>
#include <string_view>

#include "common/wire/keys.h"

namespace shrike::collector {

using NodeKeys = std::map<std::string, PublicKey, std::less<>>;

/// Errors, with name, line and column: not TOML; a node id or key that is none; one key given to two nodes.
Result<NodeKeys> parse_keys(std::string_view text, const std::string& name);
/// The same of a file. Errors: also errno (code is set).
Result<NodeKeys> load_keys(const std::string& path);
std::string keys_to_toml(const NodeKeys& keys);

}  // namespace shrike::collector
