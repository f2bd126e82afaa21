#pragma once
// The process of one machine: jailed, told its jobs over a channel. This is its parent's side, outside the jail.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/microvm/broker.h"
#include "sandbox/microvm/frames.h"
#include "sandbox/microvm/jail.h"
#include "sandbox/microvm/machine/machine.h"
#include "sandbox/microvm/orders.h"

namespace shrike::sandbox::microvm {

/// What all machines of a process are made with, once.
struct VmmHost {
  Fd kvm;
  Features features;
  EmptyNamespaces empty;
  std::unique_ptr<HostTree> tree;
  /// Errors: no /dev/kvm, what to do; this KVM lacks something; errno.
  static Result<VmmHost> open(const HostView& view = {});
};

struct VmmOptions {
  uint64_t memory_bytes = 256u << 20;
  bool again = false;  ///< it is reset after each job, checked, and takes another
  bool late = false;   ///< its process waits in its jail, the machine is made when the job is there
  bool ahead = false;  ///< there is no job yet: it may take time and memory for what will be quicker then
};

class Vmm {
 public:
  /// Starts it and returns at once: it makes itself ready while nobody waits. What goes wrong there is told with the
  /// first job. `host` outlives it. Errors: errno.
  static Result<std::unique_ptr<Vmm>> start(const VmmHost& host, const VmmOptions& options);
  Vmm(const Vmm&) = delete;
  Vmm& operator=(const Vmm&) = delete;
  /// Ends it and waits for that.
  ~Vmm();

  [[nodiscard]] int channel() const { return channel_.get(); }
  [[nodiscard]] FrameReader& frames() { return frames_; }
  /// After a job: waits until it has been reset and checked, a second at most. False: it was not; it is of no use.
  bool ready_again();
  [[nodiscard]] int ended_fd() const { return pidfd_.get(); }  ///< readable when it has ended
  [[nodiscard]] Broker& broker() { return broker_; }
  [[nodiscard]] Orders& orders() { return *orders_; }
  [[nodiscard]] const VmmOptions& options() const { return options_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Processor time that it has used so far, nanoseconds.
  [[nodiscard]] uint64_t cpu_ns() const;
  void kill();
  /// Waits for its end; how it ended, as wait(2) says.
  int wait();

 private:
  Vmm(VmmOptions options, Broker broker, Fd channel, SharedOrders orders)
      : options_(options),
        broker_(std::move(broker)),
        channel_(std::move(channel)),
        frames_(channel_.get()),
        orders_(std::move(orders)) {}

  VmmOptions options_;
  Broker broker_;
  Fd channel_, pidfd_;
  FrameReader frames_;
  SharedOrders orders_;
  pid_t pid_ = -1;
  std::optional<int> status_;
  uint64_t cpu_ns_ = 0;  // once it has ended
};

}  // namespace shrike::sandbox::microvm
