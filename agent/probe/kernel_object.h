#pragma once
// The BPF programs, loaded. The only place that knows libbpf; everything it gives out is a number or a descriptor.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/probe/filter_tables.h"
#include "agent/probe/kernel_source.h"
#include "agent/probe/settings.h"
#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::probe {

/// Sizes of what all generations share.
struct RingSizes {
  size_t reserved_bytes = 0;  ///< power of two, at least a page
  size_t shard_bytes = 0;
  uint32_t shards = 1;
};

/// One generation of the programs: they exist while it does.
class KernelObject {
 public:
  /// Loads the programs that `tables` needs, with their filter frozen in; nothing runs yet. Rings, counters and task
  /// storage are made new, or taken from `shared_with` (may be null). What this kernel refuses and we can do without is
  /// noted in `features`.
  static Result<KernelObject> load(const FilterTables& tables, uint64_t generation, const RingSizes& sizes,
                                   const KernelObject* shared_with, Features& features);
  KernelObject(KernelObject&&) noexcept;
  KernelObject& operator=(KernelObject&&) noexcept;
  ~KernelObject();

  /// Attaches all entry points. `beside`: what else is ours, for the list of own objects. Errors: which one, and why;
  /// then none is.
  Result<void> attach(Features& features, const KernelSource::Ids& beside = {});

  /// What is changed while the programs run, of this generation and of what all share.
  Result<Settings> settings() const;
  /// Descriptor of the map of that name; -1 when there is none.
  [[nodiscard]] int map(const std::string& name) const;
  /// Descriptors of the rings for file and network, in the order of their index.
  [[nodiscard]] const std::vector<Fd>& shard_rings() const;
  /// How many entries the map of that name has; 0 when there is none.
  [[nodiscard]] uint32_t entries(const std::string& name) const;
  /// A descriptor whose content is a `task` record for each process. Errors: there is no iterator.
  Result<Fd> iterate_tasks() const;
  /// Ids of everything of this generation, read once at the end of attach(): asking the kernel is a bpf() call.
  [[nodiscard]] const KernelSource::Ids& ids() const;
  /// Kernel id of the program of that name, 0 when it is not loaded.
  [[nodiscard]] uint32_t program_id(const std::string& name) const;

 private:
  struct Impl;
  explicit KernelObject(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// How many cores the kernel may ever have: the length of per-core arrays.
Result<uint32_t> possible_cpus();

}  // namespace shrike::probe
