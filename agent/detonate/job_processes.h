#pragma once
// The processes of one sandboxed job as its calls tell them: who made whom, under which ids, with which sockets.
// Bounded.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/wire/event.h"
#include "common/wire/process.h"

namespace shrike::detonate {

/// What a descriptor is, as far as events say it.
struct Descriptor {
  Socket socket;            ///< family 0: none
  std::string socket_path;  ///< AF_UNIX
  std::string path;         ///< of a file
};

/// One process's descriptors. Those beyond the bound are not known.
class Descriptors {
 public:
  static constexpr size_t most = 1024;
  void put(int fd, Descriptor descriptor);
  /// Null when it is not known.
  [[nodiscard]] Descriptor* find(int fd);
  [[nodiscard]] const Descriptor* find(int fd) const;
  void close(uint32_t first, uint32_t last);

 private:
  std::map<int, Descriptor> open_;
};

struct JobProcess {
  Task task;  ///< of its leader
  Descriptors descriptors;
  std::string exe;
  std::string script;  ///< what an interpreter was given to run, absolute; empty: none
  std::string read;    ///< the file that it last opened for reading
  bool exited = false;
};

class JobProcesses {
 public:
  static constexpr size_t most = 4096;  ///< those that ended go first, then the oldest
  static constexpr size_t written_most = 4096;

  /// `uid`, `gid`: what the job begins as. `cgroup_id`, any number: the same for all of them, so that they are a tree.
  JobProcesses(uint32_t uid, uint32_t gid, uint64_t cgroup_id) : uid_(uid), gid_(gid), cgroup_id_(cgroup_id) {}

  /// The process with that number; one that was never told of is made, beginning at `time_ns`.
  JobProcess& at(uint32_t pid, uint64_t time_ns);
  /// Null when there is none.
  [[nodiscard]] JobProcess* find(uint32_t pid);
  [[nodiscard]] const JobProcess* find(uint32_t pid) const;
  /// Whether one that has not ended was given `path` as its script.
  [[nodiscard]] bool runs_script(std::string_view path) const;
  [[nodiscard]] bool has(uint32_t pid) const { return processes_.contains(pid); }
  /// A child of `parent` (0: of nobody here). With another one's number it takes its place.
  JobProcess& begin(uint32_t pid, uint32_t parent, uint64_t time_ns);

  /// Files that the job itself wrote, by full path. `built`: by a linker, from parts of its own.
  void wrote(std::string_view path, bool built = false);
  void moved(std::string_view from, std::string_view to);
  [[nodiscard]] bool has_written(std::string_view path) const { return written_.contains(path); }
  [[nodiscard]] bool has_built(std::string_view path) const;
  /// A file that the job wrote whose name is `path`, a point, and more; empty: there is none.
  [[nodiscard]] std::string_view written_beside(std::string_view path) const;

 private:
  void make_room();
  uint32_t uid_, gid_;
  uint64_t cgroup_id_;
  std::map<uint32_t, JobProcess> processes_;
  std::map<std::string, bool, std::less<>> written_;  // to: built
};

/// Sets a task's name as the kernel does: cut to 15 characters.
void set_name(Task& task, std::string_view name);

}  // namespace shrike::detonate
