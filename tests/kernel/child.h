#pragma once
// What a test does in a process of its own, and the event that comes of it.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "tests/kernel/watch.h"

namespace shrike::test {

struct Child {
  pid_t pid = -1;
  int status = 0;  ///< wait's
};

/// Runs `what` in a child and waits for its end; exits 0 when `what` returns.
inline Child run_child(const std::function<void()>& what) {
  Child child;
  child.pid = ::fork();
  if (child.pid == 0) {
    what();
    ::_exit(0);
  }
  ::waitpid(child.pid, &child.status, 0);
  return child;
}

/// From now on the calling thread runs on the nth of the cores it may run on; anywhere when there is only one. Two
/// threads that are to race must not take turns on one core, as they would on a busy machine.
inline void keep_to_core(int nth) {
  cpu_set_t all, one;
  if (::sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &all) && nth-- == 0) CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

/// The event of this kind made by this process.
inline const Seen* expect_by(
    Watch& watch, pid_t pid, EventKind kind, const Watch::Wanted& wanted = [](const Event&) { return true; }) {
  return watch.expect(std::string(kind_name(kind)) + " by " + std::to_string(pid), [&](const Event& e) {
    return e.kind == kind && e.task.pid == static_cast<uint32_t>(pid) && wanted(e);
  });
}

/// A directory that is gone with everything in it when the test is.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/shrike-kernel-XXXXXX";
    if (::mkdtemp(name) != nullptr) path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace shrike::test
