#include "collector/keys_file.h"

#include "collector/toml.h"
#include "common/base/file.h"
#include "common/wire/subjects.h"

namespace shrike::collector {

Result<NodeKeys> parse_keys(std::string_view text, const std::string& name) {
  const TomlTable table = TRY(TomlTable::parse(text, name));
  NodeKeys keys;
  std::map<std::string, std::string> owners;
  for (const std::string& node : table.keys()) {
    if (auto valid = check_node_id(node); !valid) return table.error_at(node, valid.error().message);
    std::string digits;
    TRY_VOID(table.text(node, digits));
    auto key = PublicKey::from_hex(digits);
    if (!key) return table.error_at(node, "a public key: " + key.error().message);
    const auto [owner, fresh] = owners.emplace(key->raw(), node);
    if (!fresh) return table.error_at(node, "the same key as " + owner->second + ": each node has a key of its own");
    keys.emplace(node, *key);
  }
  return keys;
}

Result<NodeKeys> load_keys(const std::string& path) { return parse_keys(TRY(read_file(path)), path); }

std::string keys_to_toml(const NodeKeys& keys) {
  std::string text = "# Public keys of nodes. A node listed in the configured keys_file is taken from there instead.\n";
  for (const auto& [node, key] : keys) text += "\"" + node + "\" = \"" + key.to_hex() + "\"\n";
  return text;
}

}  // namespace shrike::collector
