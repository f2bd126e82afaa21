#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "agent/enrich/container_info.h"
#include "agent/enrich/process_table.h"
#include "agent/enrich/users.h"
#include "common/base/fd.h"

namespace shrike::enrich {

struct HostRoots {
  std::string proc = "/proc";  ///< empty: no containers are looked up (replay of another host's records)
  std::string cgroup = "/sys/fs/cgroup";
  std::string etc = "/etc";     ///< empty: ids have no names
  std::string containers = "";  ///< before /run and /var/lib, where container runtimes keep their files
};

/// Containers and names as this host's files tell them. Reads two small files when it meets a new pair of cgroup and
/// mount namespace, and of a new container what its runtime keeps of it; otherwise only memory. A process that is gone
/// before its /proc entry was read is found by the id of its cgroup, which the kernel opens as a file handle (v2
/// hierarchies only, needs CAP_DAC_READ_SEARCH).
class HostLookup : public Lookup {
 public:
  explicit HostLookup(HostRoots roots);

  const Container* container(const Task& task) override;
  std::string_view user(uint32_t uid) override;
  std::string_view group(uint32_t gid) override;

  /// The time that decides how old a look at a file is: the event's.
  void set_now(uint64_t now_ns) { now_ns_ = now_ns; }
  /// Whether unused containers should be dropped: call sweep between two events then.
  [[nodiscard]] bool wants_sweep() const { return containers_.size() >= sweep_at_ || known_.size() >= known_max; }
  /// Drops all containers that no process of `table` is in.
  void sweep(const ProcessTable& table);
  [[nodiscard]] size_t containers() const { return containers_.size(); }

 private:
  // The mount namespace is part of the key because on hybrid hosts a v1 runtime's containers share a v2 cgroup with it.
  struct Key {
    uint64_t cgroup_id = 0;
    uint32_t ns_mnt = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return (key.cgroup_id * 0x9E3779B97F4A7C15u) ^ key.ns_mnt; }
  };
  static constexpr size_t known_max = 16384;

  struct Met {
    Container container;
    uint64_t look_again_ns = 0;  // UINT64_MAX: never
    unsigned looks = 0;
  };

  [[nodiscard]] std::string path_of_cgroup(uint64_t cgroup_id);
  /// Asks the runtime's files, when it is time.
  void look(Met& met);
  const Container* container_of(Met* met);

  HostRoots roots_;
  IdNames users_;
  IdNames groups_;
  uint64_t now_ns_ = 0;
  std::string cgroup_prefix_;  // of paths below the v2 mount
  Fd cgroup_mount_;            // finding it sets cgroup_prefix_: keep this order
  bool hybrid_ = false;
  size_t sweep_at_ = 64;
  struct Known {
    Met* met = nullptr;  // null: the host
    uint64_t until_ns = UINT64_MAX;
  };
  std::unordered_map<Key, Known, KeyHash> known_;
  std::unordered_map<std::string, std::unique_ptr<Met>> containers_;  // by runtime and id
  ContainerFiles files_;
  uint64_t looks_until_ns_ = 0;  // end of the second that looks_ counts in
  unsigned looks_ = 0;
  uint64_t looks_bytes_ = 0;  // files_.bytes() at its begin
};

}  // namespace shrike::enrich
