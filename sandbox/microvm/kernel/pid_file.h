#pragma once
// pidfd: a process as a descriptor.

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

class PidFile final : public File {
 public:
  PidFile(const System& system, uint32_t pid, uint64_t start_ns, NodePtr node)
      : system_(system), pid_(pid), start_ns_(start_ns), node_(std::move(node)) {
    flags = 2;  // O_RDWR
  }
  [[nodiscard]] uint32_t poll() const override { return process() == nullptr || process()->zombie ? POLLIN : 0; }
  [[nodiscard]] NodePtr node() const override { return node_; }
  /// The process, as long as it is the same; null once it is reaped.
  [[nodiscard]] const Process* process() const {
    const auto found = system_.table.find(pid_);
    return found != system_.table.end() && found->second->start_ns == start_ns_ ? found->second.get() : nullptr;
  }
  [[nodiscard]] uint32_t pid() const { return pid_; }

 private:
  const System& system_;
  uint32_t pid_;
  uint64_t start_ns_;
  NodePtr node_;
};

/// `pid` is a process's. Null: no objects left.
FilePtr make_pid_file(const System& system, uint32_t pid);

}  // namespace shrike::sandbox::microvm
