#pragma once
// Which events of this host are those of Shrike's own sandboxes: of the set-up, which is our code, and of jobs that
// this agent has detonated, which their detonation judges. This host's rules are not asked about them. Nothing goes by
// name: programs are known by device and inode, what comes from a sandbox by its user namespace, by its control group,
// and by whose children its processes are.

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/base/fd.h"
#include "common/wire/event.h"
#include "sandbox/channel.h"

namespace shrike::agent {

class OwnJobs {
 public:
  struct Program {
    uint32_t device = 0;  ///< major << 20 | minor
    uint64_t inode = 0;
  };

  /// Takes those of `paths` that are files which only root can change, and holds them open, so that no other file can
  /// get their inodes. Returns why not, for each that is there and is not taken. Sandboxes are those in another user
  /// namespace than this process's. Not while another thread asks.
  std::vector<std::string> find_programs(const std::vector<std::string>& paths);
  /// The same with what is known already.
  void set_programs(std::vector<Program> programs, uint32_t host_user_namespace);

  /// A job of this agent's is about to start there, or has ended. Any thread.
  void begin(const sandbox::JobPlace& place);
  void end(const sandbox::JobPlace& place, uint64_t boot_ns);

  /// Whether the process is a sandbox's set-up: in a user namespace of its own, forked by one of our programs that root
  /// has started in this host's, and without an exec since. `user_namespace`: at the event.
  [[nodiscard]] bool sets_up(const Process* process, uint32_t user_namespace) const;
  /// Whether the event is of a set-up, of a job that this agent has detonated, or that of our service loading its
  /// programs into the kernel. Cost: a walk to the first ancestor outside of the sandbox.
  [[nodiscard]] bool ours(const Event& event) const;

 private:
  [[nodiscard]] bool is_program(const Task& task) const;
  [[nodiscard]] bool is_starter(const Process* process) const;
  [[nodiscard]] bool is_job(const Event& event) const;

  struct Job {
    sandbox::JobPlace place;
    uint64_t ended_ns = 0;  ///< 0: it runs
  };
  std::vector<Program> programs_;
  std::vector<Fd> held_;
  uint32_t host_ = 0;  // user namespace
  mutable std::mutex mutex_;
  std::vector<Job> jobs_;
};

/// Where our programs are: beside this one, and where the package puts them.
std::vector<std::string> own_program_paths();

}  // namespace shrike::agent
