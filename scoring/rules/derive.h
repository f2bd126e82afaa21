#pragma once
// What must leave the kernel so that a condition can be judged: kinds, whether failures matter, and the paths.

#include "common/wire/filter.h"
#include "scoring/rules/tree.h"

namespace shrike::scoring {

/// What the kernel compares of a path (bpf/shrike_filter.h has the same).
inline constexpr size_t filter_prefix_max = 256;
inline constexpr size_t filter_name_max = 32;

/// Adds what `condition` needs to `filter`, which then lets through every event for which it can hold.
/// Returns the access bits for which it had to ask for every path.
uint32_t derive_filter(const TreePtr& condition, FilterSpec& filter);

/// Whether `filter` lets `event` leave the kernel, judged as the programs under bpf/ do: for tests and for explaining.
bool lets_through(const FilterSpec& filter, const Event& event);

}  // namespace shrike::scoring
