#pragma once
// The LSM hooks (bpf/lsm, bpf/deny), loaded beside a generation of the other programs, where BPF LSM is active.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/probe/filter_tables.h"
#include "common/base/result.h"

namespace shrike::probe {

/// They exist while it does. A kernel that takes BPF LSM programs at all may still refuse these: nothing else fails
/// then.
class LsmObject {
 public:
  /// `map_of`: descriptor of the map of that name which the other programs use, -1 when they have none; all maps but
  /// the constants are theirs. Loads only the hooks of kinds that `tables` wants. Errors: the program, and the
  /// verifier's last words.
  static Result<LsmObject> load(const FilterTables& tables, uint64_t generation,
                                const std::function<int(const std::string&)>& map_of);
  /// Those that refuse what `tables.denials` names. `notes`: hooks that this kernel does not have, and what is
  /// therefore not refused. Errors: as above.
  static Result<LsmObject> load_denying(const FilterTables& tables, uint64_t generation,
                                        const std::function<int(const std::string&)>& map_of,
                                        std::vector<std::string>& notes);
  LsmObject(LsmObject&&) noexcept;
  LsmObject& operator=(LsmObject&&) noexcept;
  ~LsmObject();

  /// Attaches all that are loaded, or, when one is refused, none. Errors: which one, and why.
  Result<void> attach();

  /// Kernel ids, for the agent's watch over itself: programs by name, maps that only these use, links.
  [[nodiscard]] std::map<std::string, uint32_t> programs() const;
  [[nodiscard]] std::vector<uint32_t> own_maps() const;
  [[nodiscard]] std::vector<uint32_t> links() const;

 private:
  struct Impl;
  explicit LsmObject(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::probe
