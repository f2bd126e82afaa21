#include "agent/probe/filter_tables.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace shrike::probe {
namespace {

void set_bits(const std::bitset<event_kind_count>& from, __u64 (&to)[2]) {
  for (size_t kind = 0; kind < event_kind_count; ++kind)
    if (from.test(kind)) to[kind / 64] |= 1ull << (kind % 64);
}

template <size_t n>
bool any_of(const __u8 (&table)[n]) {
  return std::any_of(std::begin(table), std::end(table), [](__u8 call) { return call != 0; });
}

static_assert(access_all <= UINT16_MAX);

void add_hash(shrike_filter& filter, const shrike_prefix& key, uint32_t access) {
  __u32 first = 0;
  std::memcpy(&first, key.text, sizeof first);
  const bool all = key.bits < 8 * sizeof first;
  const __u32 own = shrike_prefix_hash(first);
  for (__u32 hash = 0; hash < SHRIKE_PREFIX_HASHES; ++hash)
    if (all || hash == own) filter.prefix_hashes[hash] |= static_cast<__u16>(access);
}

void add_hash(shrike_filter& filter, const shrike_name& key, size_t length, uint32_t access) {
  __u64 first = 0;
  std::memcpy(&first, key.text, sizeof first);
  filter.name_hashes[shrike_name_hash(first, static_cast<__u32>(length))] |= static_cast<__u16>(access);
}

// The access masks of every prefix, those of its own prefixes included: the trie gives only the longest match.
std::map<std::string_view, uint32_t> with_inherited(const std::map<std::string, uint32_t>& prefixes) {
  std::map<std::string_view, uint32_t> all;
  for (const auto& [text, access] : prefixes) all[std::string_view(text).substr(0, SHRIKE_PREFIX_MAX)] |= access;
  // In order of text a prefix stands before all that begin with it; `open` are those that the current one begins with.
  std::vector<std::pair<std::string_view, uint32_t>> open;
  for (auto& [text, access] : all) {
    while (!open.empty() && !text.starts_with(open.back().first)) open.pop_back();
    if (!open.empty()) access |= open.back().second;
    open.emplace_back(text, access);
  }
  return all;
}

}  // namespace

bool FilterTables::wants(EventKind kind) const {
  const auto bit = static_cast<unsigned>(kind);
  return ((filter.kinds[bit / 64] >> (bit % 64)) & 1) != 0;
}
bool FilterTables::hooks_entry() const { return any_of(calls.enter64) || any_of(calls.enter32); }
bool FilterTables::hooks_exit() const { return any_of(calls.exit64) || any_of(calls.exit32); }

Result<FilterTables> filter_tables(const FilterSpec& spec, const FilterLimits& limits) {
  FilterTables out;
  shrike_filter& filter = out.filter;
  set_bits(spec.kinds, filter.kinds);
  set_bits(spec.success_only & spec.kinds, filter.success_only);
  filter.any_path = spec.any_path & access_all;
  filter.self_tgid = limits.self_tgid;
  filter.shards = limits.shards;
  filter.privilege_room = limits.privilege_room;
  filter.budget_per_s = limits.budget_per_s;
  filter.budget_burst = limits.budget_burst != 0 ? limits.budget_burst : limits.budget_per_s;
  filter.seed = limits.seed;
  shrike_fill_calls(filter.kinds, &out.calls);

  for (const auto& [text, access] : with_inherited(spec.prefixes)) {
    if (text.empty()) filter.any_path |= access & access_all;
    if (text.empty() || (access & access_all) == 0) continue;
    shrike_prefix key{};
    key.bits = static_cast<__u32>(8 * text.size());
    std::memcpy(key.text, text.data(), text.size());
    add_hash(filter, key, access & access_all);
    out.prefixes.emplace_back(key, access & access_all);
    filter.prefix_access |= access & access_all;
  }
  for (const auto& [text, wanted] : spec.names) {
    const shrike_name_access access{.any = wanted.any & access_all, .last = wanted.last & access_all};
    if ((access.any | access.last) == 0) continue;
    if (text.empty() || text.size() > SHRIKE_NAME_MAX) {
      filter.any_path |= access.any | access.last;
      continue;
    }
    shrike_name key{};
    std::memcpy(key.text, text.data(), text.size());
    add_hash(filter, key, text.size(), access.any | access.last);
    out.names.emplace_back(key, access);
    filter.name_access |= access.any | access.last;
  }
  if (spec.denials.size() > denials_max)
    return Error{"filter: " + std::to_string(spec.denials.size()) + " denials, at most " + std::to_string(denials_max)};
  for (const Denial& denial : spec.denials) {
    out.denials.of[out.denials.count++] = {
        .rule = denial_number(denial.rule),
        .sets = denial.sets,
        .only = denial.only,
        .exempt = denial.exempt,
        .access = (denial.access & access_all) | (denial.exec ? SHRIKE_TRIED_EXEC : 0),
        .opens = denial.opens,
        .pad = 0};
    out.denials.sets |= denial.sets;
  }
  if (out.prefixes.size() > prefixes_max)
    return Error{"filter: " + std::to_string(out.prefixes.size()) + " path prefixes, at most " +
                 std::to_string(prefixes_max)};
  if (out.names.size() > names_max)
    return Error{"filter: " + std::to_string(out.names.size()) + " names, at most " + std::to_string(names_max)};
  return out;
}

}  // namespace shrike::probe
