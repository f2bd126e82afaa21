#include "collector/registry.h"

#include "common/base/file.h"

namespace shrike::collector {
namespace {
// A bound on what strangers can make us remember where first keys are trusted.
constexpr size_t pinned_max = 10'000;
}  // namespace

Result<Registry> Registry::open(Options options) {
  Registry registry(std::move(options));
  if (!registry.options_.keys_file.empty()) registry.listed_ = TRY(load_keys(registry.options_.keys_file));
  auto pinned = load_keys(registry.options_.pinned_file);
  if (pinned) {
    registry.pinned_ = std::move(pinned).value();
  } else if (pinned.error().code != ENOENT) {
    return pinned.error();
  }
  TRY_VOID(registry.check());
  return registry;
}

Result<void> Registry::check() const {
  for (const auto& [node, key] : listed_)
    for (const auto& [other, pinned] : pinned_)
      if (pinned == key && node != other)
        return Error{options_.keys_file + ": the key of " + node + " is pinned for " + other + " in " +
                     options_.pinned_file + ": each node has a key of its own"};
  return {};
}

Result<void> Registry::reload() {
  if (options_.keys_file.empty()) return {};
  NodeKeys listed = TRY(load_keys(options_.keys_file));
  const std::lock_guard lock(*mutex_);
  listed_.swap(listed);
  auto right = check();
  if (!right) listed_.swap(listed);
  return right;
}

std::optional<Registry::Known> Registry::find(const std::string& node) const {
  const std::lock_guard lock(*mutex_);
  if (const auto key = listed_.find(node); key != listed_.end()) return Known{key->second, Trust::keys_file};
  if (const auto key = pinned_.find(node); key != pinned_.end()) return Known{key->second, Trust::first_use};
  return {};
}

NodeKeys Registry::keys() const {
  const std::lock_guard lock(*mutex_);
  NodeKeys keys = listed_;
  keys.insert(pinned_.begin(), pinned_.end());
  return keys;
}

std::optional<std::string> Registry::owner_of(const PublicKey& key) const {
  for (const NodeKeys* keys : {&listed_, &pinned_})
    for (const auto& [node, owned] : *keys)
      if (owned == key) return node;
  return {};
}

Registry::Admission Registry::admit(const BatchHeader& header) const {
  if (const auto known = find(header.node)) return {known->key, false, {}};
  if (!options_.trust_first)
    return {{}, false, "no key of this node is known; add it to keys_file, from shrike-agent --print-identity"};
  auto key = PublicKey::from_raw(header.public_key);
  if (!key) return {{}, false, "unknown node, and its batch names no key to trust"};
  const std::lock_guard lock(*mutex_);
  if (const auto owner = owner_of(*key))
    return {{}, false, "signed by the key of node " + *owner + ": two agents with one key"};
  if (pinned_.size() >= pinned_max) return {{}, false, "too many nodes have been trusted on first use already"};
  return {*key, true, {}};
}

Result<void> Registry::pin(const std::string& node, const PublicKey& key) {
  const std::lock_guard lock(*mutex_);
  for (const NodeKeys* keys : {&listed_, &pinned_}) {
    const auto other = keys->find(node);
    if (other == keys->end()) continue;
    if (other->second == key) return {};
    return Error{"node " + node + ": another key was trusted at the same time"};
  }
  if (const auto owner = owner_of(key)) return Error{"node " + node + ": its key is that of node " + *owner};
  NodeKeys next = pinned_;
  next.emplace(node, key);
  TRY_VOID(write_file_atomic(options_.pinned_file, keys_to_toml(next), 0640));
  pinned_.swap(next);
  return {};
}

}  // namespace shrike::collector
