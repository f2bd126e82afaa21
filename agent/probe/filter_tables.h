#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "agent/probe/record.h"
#include "bpf/shrike_calls.h"
#include "common/base/result.h"
#include "common/wire/filter.h"

namespace shrike::probe {

/// What the filter needs to know besides the rules' wishes.
struct FilterLimits {
  uint32_t self_tgid = 0;
  uint32_t shards = 1;                   ///< power of two
  uint64_t privilege_room = UINT64_MAX;  ///< bytes of the reserved ring
  uint64_t budget_per_s = 0;
  uint64_t budget_burst = 0;
  uint64_t seed = 0;  ///< random
};

/// A FilterSpec in the form the BPF programs read.
struct FilterTables {
  shrike_filter filter{};
  shrike_call_tables calls{};
  std::vector<std::pair<shrike_prefix, uint32_t>> prefixes;
  std::vector<std::pair<shrike_name, shrike_name_access>> names;
  shrike_denials denials{};

  [[nodiscard]] bool wants(EventKind kind) const;
  /// Is there a call whose entry (exit) must be seen?
  [[nodiscard]] bool hooks_entry() const;
  [[nodiscard]] bool hooks_exit() const;
};

/// Most prefixes and names in one filter: what is looked up at every open must stay in the cache.
inline constexpr size_t prefixes_max = 16384;
inline constexpr size_t names_max = 16384;

/// Pure. Where the kernel's form cannot say exactly what is wanted, it lets more through: prefixes are cut to
/// SHRIKE_PREFIX_MAX bytes, the empty prefix and names longer than SHRIKE_NAME_MAX bytes become "any path".
/// Errors: more prefixes, names or denials than the maximum.
Result<FilterTables> filter_tables(const FilterSpec& spec, const FilterLimits& limits);

}  // namespace shrike::probe
