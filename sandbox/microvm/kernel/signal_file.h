#pragma once
// signalfd: a thread's signals, read.

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

/// Whoever reads it, reads his own signals.
class SignalFile final : public File {
 public:
  SignalFile(System& system, uint64_t the_set, NodePtr node) : set(the_set), system_(system), node_(std::move(node)) {}
  /// struct signalfd_siginfo of 128 bytes each.
  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override;
  [[nodiscard]] uint32_t poll() const override;
  [[nodiscard]] NodePtr node() const override { return node_; }

  uint64_t set;

 private:
  System& system_;
  NodePtr node_;
};

}  // namespace shrike::sandbox::microvm
