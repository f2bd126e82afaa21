#pragma once
// What the program believes to be Linux: processes, threads, memory, signals, time, and a handler for every call. Knows
// no KVM and no host: it runs on a Cpu, a Physical and a FileSystem, and everything that it does ends in bounded time.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/job.h"
#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/machine/cpu.h"
#include "sandbox/microvm/machine/physical.h"
#include "sandbox/report.h"

namespace shrike::sandbox::microvm {

struct KernelOptions {
  Limits limits;
  Profile profile = Profile::observe;
  uint64_t seed = 0;           ///< of everything random in the guest
  uint64_t wall_start_ns = 0;  ///< virtual CLOCK_REALTIME at the start
  std::string hostname = "host";
  Network network = Network::sink;
  std::function<void(int descriptor, std::string_view)> output;  ///< 1 or 2
  std::function<uint64_t()> host_ns;                             ///< CLOCK_BOOTTIME
  std::function<bool()> stop;                                    ///< asked between runs: whether to end now
};

class Kernel {
 public:
  Kernel(Cpu& cpu, Physical& physical, FileSystem& files, CallSink& calls, KernelOptions options);
  ~Kernel();

  /// Makes the first process. Errors: not an ELF we can run, why; no memory.
  Result<void> start(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, const std::string& cwd, FilePtr input);
  /// Until the last process has ended, a limit is reached, or `stop` says so. Fills what it knows into `report`.
  void run(Report& report);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::sandbox::microvm
