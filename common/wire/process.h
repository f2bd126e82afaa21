#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shrike {

/// The acting task at the moment of an event, as the kernel told it.
struct Task {
  uint32_t tid = 0;
  uint32_t pid = 0;   ///< thread group id, first pid namespace
  uint32_t ppid = 0;  ///< thread group of the real parent
  uint32_t session = 0;
  uint64_t start_ns = 0;         ///< thread group leader's start, CLOCK_BOOTTIME
  uint64_t parent_start_ns = 0;  ///< the parent's
  uint32_t uid = 0, gid = 0, euid = 0, egid = 0, suid = 0, sgid = 0;
  uint64_t cap_effective = 0;
  uint32_t loginuid = UINT32_MAX;       ///< UINT32_MAX: unset
  uint32_t audit_session = UINT32_MAX;  ///< UINT32_MAX: unset
  uint32_t tty = 0;                     ///< major << 20 | minor
  uint32_t vpid = 0;
  uint64_t cgroup_id = 0;
  uint32_t ns_mnt = 0, ns_pid = 0, ns_net = 0, ns_user = 0, ns_uts = 0, ns_ipc = 0, ns_cgroup = 0;
  uint32_t exe_dev = 0;
  uint64_t exe_inode = 0;
  std::array<char, 16> comm{};  ///< zero padded, not always terminated

  [[nodiscard]] std::string_view name() const {
    size_t n = 0;
    while (n < comm.size() && comm[n] != 0) ++n;
    return {comm.data(), n};
  }
};

struct ContainerInfo;  // common/wire/container_info.h

/// A container, as told by its cgroup's path. Shared by all processes in it.
struct Container {
  std::string id;       ///< full id; shown cut to 12 characters; "host" is spelt as a null Container pointer
  std::string runtime;  ///< docker, containerd, crio, podman, systemd-nspawn, lxc
  std::string cgroup;   ///< the path it was found in
  /// What its runtime says of it; null while nobody knows. Owned by all containers made from the same answer.
  std::shared_ptr<const ContainerInfo> info = nullptr;
};

/// One process (thread group) in the agent's table. Scoring reads it; only enrich writes it.
struct Process {
  uint32_t pid = 0;
  uint32_t ppid = 0;
  uint64_t start_ns = 0;      ///< CLOCK_BOOTTIME; (pid, start_ns) identifies a process on this boot
  uint64_t exec_time_ns = 0;  ///< wall clock of the last exec, 0 when none was seen
  uint64_t exit_time_ns = 0;  ///< wall clock, 0 while it runs
  Task task;                  ///< as last reported
  std::string name;           ///< comm, at most 15 characters
  std::string exe;            ///< path of the executable object, from the kernel
  std::string filename;       ///< exec's path as given
  std::string cwd;            ///< at exec
  std::vector<std::string> argv;
  bool argv_truncated = false;
  uint16_t exec_flags = 0;   ///< EventFlag bits of the last exec (memfd, upper layer, ...)
  uint32_t exe_objects = 0;  ///< sets of objects the executable was in when it was run (event_object_sets)
  uint32_t run_dev = 0;  ///< device and inode of the executable when it was run (0: not seen); task's can be changed
  uint64_t run_inode = 0;
  uint64_t poses_since_ns = 0;  ///< boot clock: it began to say that it runs another than that; 0: it does not
  uint64_t exe_ctime_ns = 0;
  uint64_t exe_mtime_ns = 0;
  const Container* container = nullptr;  ///< null on the host
  const Process* parent = nullptr;       ///< null for pid 1, kernel threads and where the table has none
  std::string user;                      ///< name of task.uid; empty when it has none
  std::string group;
  bool has_stdio_socket = false;  ///< a network socket was put onto descriptor 0, 1 or 2
};

}  // namespace shrike
