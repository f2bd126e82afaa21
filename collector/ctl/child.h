#pragma once
// Processes that the demo starts: each its own group, each dies with us, each reaped by us alone.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::ctl {

struct ChildSpec {
  std::string name;                      ///< what messages call it
  std::vector<std::string> arguments;    ///< the program's path first
  std::vector<std::string> environment;  ///< "NAME=value", in addition to ours
  std::string log_file;                  ///< gets standard output and error, appended
};

/// How a child ended and what it used.
struct ChildEnd {
  int exit_code = 0;  ///< meaningful when `signal` is 0
  int signal = 0;
  std::chrono::microseconds cpu{0};  ///< user and system, of the child and what it waited for
  uint64_t max_resident_bytes = 0;

  /// "exited with status 1", "was ended by signal 9 (Killed)".
  [[nodiscard]] std::string sentence() const;
};

class Child {
 public:
  /// Starts it. Errors: errno of making the log file, the process or its program.
  static Result<Child> start(const ChildSpec& spec);
  Child(Child&&) noexcept = default;
  Child& operator=(Child&&) = delete;
  /// Kills the whole group at once when it still runs.
  ~Child();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& log_file() const { return log_file_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Readable when the child has ended; for poll(2).
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  /// The end, once it has come; waits for it at most `wait`.
  std::optional<ChildEnd> ended(std::chrono::milliseconds wait = std::chrono::milliseconds(0));
  /// SIGTERM, and after `patience` SIGKILL; waits for the end. `cut_short`, when it becomes readable, ends the
  /// patience.
  ChildEnd stop(std::chrono::milliseconds patience, int cut_short = -1);
  /// CPU time so far, as /proc says; zero when it has ended.
  [[nodiscard]] std::chrono::microseconds cpu_so_far() const;

 private:
  Child() = default;
  std::string name_;
  std::string log_file_;
  pid_t pid_ = -1;
  Fd pidfd_;
  std::optional<ChildEnd> end_;
};

/// The last `most` lines of a file, without control characters; empty when it cannot be read.
std::vector<std::string> last_lines(const std::string& path, size_t most);

/// The folder of our own executable.
std::string own_folder();
/// The program `name` beside our own executable, on PATH, or in a system folder; empty when there is none.
std::string find_program(const std::string& name);

}  // namespace shrike::ctl
