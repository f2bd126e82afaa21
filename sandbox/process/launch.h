#pragma once
// The last steps before a program's first instruction, in a process of its own: everything given up, then exec.

#include <linux/filter.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox::process {

/// All that is needed, made before: the new process shares our memory until it has begun, and must not allocate.
struct Launch {
  int program = -1;  ///< executed by descriptor when it is an ELF file, else by its path
  bool by_descriptor = true;
  std::string path;
  std::vector<char*> arguments, environment;  ///< null at the end of each
  std::string cwd;
  int input = -1, output = -1, error = -1;
  std::vector<sock_filter> filter;
  bool notify = false;  ///< the filter has a listener
  int landlock = -1;
  Limits limits;
  bool limit_data = false;  ///< memory by process: there is no control group for all of them
};

/// A program's first process. Must live as long as that: until exec it runs on this memory.
class Launched {
 public:
  /// Starts it and returns when it is at its first instruction, or, with a listener, waits at its first call: exec.
  /// `plan` must outlive what is returned. Errors: which step, errno.
  static Result<Launched> start(const Launch& plan);
  Launched(Launched&&) noexcept;
  Launched& operator=(Launched&&) = delete;
  ~Launched();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Of notifications; invalid without.
  [[nodiscard]] const Fd& listener() const { return listener_; }
  /// With a listener: waits until it has executed the program, or ended. Only after that may what the plan names be
  /// closed.
  void wait_exec() const;
  /// The step that failed after all (with a listener, exec); null when it began.
  [[nodiscard]] const char* failed_step() const;
  [[nodiscard]] int failed_errno() const;

 private:
  struct Shared;
  Launched();
  std::unique_ptr<Shared> shared_;
  pid_t pid_ = -1;
  Fd listener_;
};

/// Gives up every capability of the calling process for good. False: errno says why.
bool drop_capabilities();

}  // namespace shrike::sandbox::process
