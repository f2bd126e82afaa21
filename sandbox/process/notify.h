#pragma once
// Tells calls by seccomp user notification: where there is no eBPF. Each call waits until we have seen it. What is
// refused is answered with an error; what is allowed goes on, whatever its pointers point at: the policy looks at
// numbers and values only, which are the kernel's copies, so nothing that is decided here can be changed afterwards.
// Texts are read once, while the call waits; another thread may give the kernel another one. Results are not known.

#include <linux/seccomp.h>

#include <map>
#include <string>

#include "sandbox/process/tracer.h"

namespace shrike::sandbox::process {

class NotifyTracer final : public Tracer {
 public:
  /// `init`: pid of the sandbox's init.
  NotifyTracer(Fd listener, const Policy& policy, pid_t init);
  [[nodiscard]] std::string_view name() const override { return "notify"; }
  [[nodiscard]] int fd() const override { return listener_.get(); }
  void read(CallSink& calls) override;
  uint64_t finish(CallSink& calls) override;
  [[nodiscard]] uint64_t began_ns() const override { return began_ns_; }

 private:
  struct Thread {
    uint32_t pid = 0, tid = 0;
    std::string arguments;  // of an exec that has not been seen to work yet
    bool executing = false;
  };
  void handle(const seccomp_notif& notification, CallSink& calls);
  /// The thread as the program knows it; told as begun when it is new.
  Thread& thread(uint32_t tid, CallSink& calls);
  void tell(Call call, CallSink& calls);
  void tell_exec(uint32_t tid, Thread& thread, CallSink& calls);
  void answer(uint64_t id, int error);

  Fd listener_;
  const Policy& policy_;
  pid_t init_;
  std::map<uint32_t, Thread> threads_;
  uint64_t seq_ = 0;
  uint64_t began_ns_ = 0;
};

}  // namespace shrike::sandbox::process
