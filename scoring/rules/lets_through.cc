// The kernel's filter in user space: what the programs under bpf/ do with a FilterSpec, as plainly as possible.

#include <algorithm>
#include <array>

#include "scoring/rules/derive.h"
#include "scoring/rules/field.h"

namespace shrike::scoring {
namespace {

// What is done to the path; several bits where an open is more than one thing.
uint32_t access_bits(const Event& event) {
  if (event.kind != EventKind::open) return access_of(event.kind);
  if (event.result < 0) return access_open_failed;
  constexpr uint64_t write_only = 1, read_write = 2, creat = 0100, trunc = 01000;
  const bool write =
      (event.arg[0] & (write_only | read_write | creat | trunc)) != 0 || (event.flags & flag_created) != 0;
  const bool read = (event.arg[0] & write_only) == 0;
  return (write ? access_open_write : 0u) | (read ? access_open_read : 0u);
}

bool path_passes(const FilterSpec& filter, std::string_view path, uint32_t access) {
  for (const auto& [prefix, mask] : filter.prefixes)
    if ((mask & access) != 0 && path.starts_with(std::string_view(prefix).substr(0, filter_prefix_max))) return true;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const bool last = slash == path.size();
    const auto at = filter.names.find(std::string(path.substr(0, slash)));
    if (at != filter.names.end() && ((at->second.any & access) != 0 || (last && (at->second.last & access) != 0)))
      return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

}  // namespace

bool lets_through(const FilterSpec& filter, const Event& event) {
  const auto kind = static_cast<size_t>(event.kind);
  if (kind >= event_kind_count || !filter.kinds.test(kind)) return false;
  if (filter.success_only.test(kind) && event.result < 0) return false;
  const uint32_t access = access_bits(event);
  if (access == 0 || (filter.any_path & access) != 0) return true;
  for (const auto& [name, objects] : filter.objects)
    if ((objects.access & access) != 0 && (objects.sets & event_object_sets(event)) != 0) return true;
  // As given and made absolute by the folder it is relative to, and the object's own.
  const std::array<std::string_view, 5> paths{event.path.text, event.path2.text, event.full_path, event.full_path2,
                                              event.real_path};
  return std::any_of(paths.begin(), paths.end(),
                     [&](std::string_view path) { return path_passes(filter, path, access); });
}

}  // namespace shrike::scoring
