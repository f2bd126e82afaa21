#pragma once
// Control groups of jobs, on whatever this host has: version 2, version 1, or both at once (hybrid).

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox::process {

/// One mounted hierarchy that we may use, and the folder in it where our jobs go.
struct Hierarchy {
  int version = 2;
  std::vector<std::string> controllers;  ///< "memory", "pids", "cpuacct"; of version 2 those that can be had
  std::string folder;                    ///< absolute; jobs are made below it
};

/// What jobs of this process can be put into.
struct CgroupHost {
  std::vector<Hierarchy> hierarchies;
  std::vector<std::string> notes;  ///< what is missing, each a sentence
  [[nodiscard]] const Hierarchy* with(std::string_view controller) const;
  [[nodiscard]] const Hierarchy* version2() const;
};

/// Finds the hierarchies in the text of /proc/self/mounts. Pure. Paths are below `root` (for tests, else empty).
std::vector<Hierarchy> find_hierarchies(std::string_view mounts, const std::string& root = "");
/// Makes the folder "shrike-sandbox" in each hierarchy (in our own cgroup where systemd has delegated that to us, else
/// at the top) switches the controllers on, and removes what jobs of dead processes have left there. What cannot be had
/// is a note, never an error.
CgroupHost prepare_cgroups();
/// Makes the folder of one hierarchy, where it is not there, and switches its controllers on. False: errno says why.
bool make_jobs_folder(Hierarchy& hierarchy);
/// Of the group of the job that this process of ours runs: by that it is known whether it is still somebody's.
std::string job_group_name(pid_t process);
/// Removes a job's groups that its process has left behind. False: something still runs in them.
bool remove_left_cgroup(const CgroupHost& host, const std::string& name);
/// Removes those folders again where nothing is in them.
void remove_cgroups(const CgroupHost& host);

struct CgroupUsage {
  uint64_t cpu_ns = 0;
  uint64_t peak_memory_bytes = 0;
  uint64_t out_of_memory_kills = 0;
};

/// The control group of one job. The destructor removes it; all that was in it must be dead.
class Cgroup {
 public:
  /// Errors: errno of making it, which.
  static Result<Cgroup> create(const CgroupHost& host, const std::string& name);
  Cgroup(Cgroup&&) noexcept = default;
  Cgroup& operator=(Cgroup&&) = delete;
  ~Cgroup();

  /// For CLONE_INTO_CGROUP; -1 without version 2.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// As bpf_get_current_cgroup_id() has it; 0 without version 2.
  [[nodiscard]] uint64_t id() const { return id_; }
  /// Puts a process in, where it was not born in it. Cost: up to ten milliseconds after a rest (the kernel waits for
  /// RCU), so do it before somebody waits. Errors: errno.
  Result<void> join(pid_t pid);
  /// Sets memory and process limits. Returns what could not be limited.
  std::vector<std::string> limit(const Limits& limits);
  /// Processor time used so far is the set-up's, and counts no more.
  void start_counting();
  [[nodiscard]] CgroupUsage usage() const;
  /// Stops (or lets go on) all that is in it. False where it cannot.
  bool freeze(bool stopped);
  /// Kills all that is in it. False where it cannot.
  bool kill();
  /// Waits for its end and removes it. Errors: something is still in it.
  Result<void> remove();

 private:
  struct Place {
    int version = 2;
    std::vector<std::string> controllers;
    std::string folder;
  };
  Cgroup() = default;
  [[nodiscard]] const Place* with(std::string_view controller) const;

  std::vector<Place> places_;
  Fd fd_;
  uint64_t id_ = 0;
  uint64_t cpu_before_ns_ = 0;
};

}  // namespace shrike::sandbox::process
