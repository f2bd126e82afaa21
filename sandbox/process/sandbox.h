#pragma once
// One sandbox of namespaces, from nothing to nothing: its control group, its init, and what the init says.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/process/artefacts.h"
#include "sandbox/process/cgroup.h"
#include "sandbox/process/init.h"
#include "sandbox/process/link.h"
#include "sandbox/report.h"

namespace shrike::sandbox::process {

class Sandbox {
 public:
  /// Makes control group, namespaces and tree: everything that does not depend on the job. `uid`: this host's user that
  /// the sandbox's root is; for anyone but root, his own. Errors: which step, errno.
  static Result<std::unique_ptr<Sandbox>> prepare(const CgroupHost& host, const InitPlan& plan, const std::string& name,
                                                  uid_t uid);
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  /// Kills and removes everything.
  ~Sandbox();

  [[nodiscard]] Cgroup& cgroup() { return cgroup_; }
  [[nodiscard]] pid_t init_pid() const { return init_pid_; }                 ///< as this host has it
  [[nodiscard]] uint64_t user_namespace() const { return user_namespace_; }  ///< its inode
  [[nodiscard]] int init_fd() const { return init_.get(); }                  ///< readable when it has ended
  [[nodiscard]] int link() const { return link_.get(); }
  [[nodiscard]] int root_fd() const { return root_.get(); }
  [[nodiscard]] int network_fd() const { return network_.get(); }
  /// The sink's: TCP 4, TCP 6, UDP 4, UDP 6 (without IPv6: TCP 4, UDP 4).
  [[nodiscard]] const std::vector<Fd>& sink_sockets() const { return sockets_; }
  /// They are the BPF program's now, and the init's.
  void close_sink_sockets() { sockets_.clear(); }
  /// What is in its tree before a job comes.
  [[nodiscard]] const FileStamps& files() const { return files_; }
  /// The set-up so far.
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  /// Takes steps and notes out of what the init said.
  void note(const std::string& text);
  /// The next word of the init's, which must be `word`. Errors: what the init says has failed; it ended.
  Result<Heard> expect(Word word);

  /// Ends every process in it and waits for that. Returns the init's use of processor time, children included.
  void kill();
  [[nodiscard]] uint64_t rusage_cpu_ns() const { return rusage_cpu_ns_; }
  /// Removes the control group. Errors: something is left.
  Result<void> remove();

 private:
  explicit Sandbox(Cgroup cgroup) : cgroup_(std::move(cgroup)) {}
  Result<void> map_user(uid_t uid);

  Cgroup cgroup_;
  pid_t init_pid_ = -1;
  uint64_t user_namespace_ = 0;
  Fd init_, link_, root_, network_;
  std::vector<Fd> sockets_;
  FileStamps files_;
  std::vector<Step> steps_;
  std::vector<std::string> notes_;
  bool reaped_ = false;
  uint64_t rusage_cpu_ns_ = 0;
};

}  // namespace shrike::sandbox::process
