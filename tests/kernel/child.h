#pragma once
// What a test does in a process of its own, and the event that comes of it.

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
