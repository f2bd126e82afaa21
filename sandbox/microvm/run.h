#pragma once
// One job in a machine's process, seen from outside the jail: what it says is passed on, its limits are kept, its end
// is reported, whatever becomes of it.

#include <optional>
#include <string>

#include "sandbox/job.h"
#include "sandbox/job_files.h"
#include "sandbox/microvm/file_hash.h"
#include "sandbox/microvm/vmm.h"
#include "sandbox/report.h"
#include "sandbox/summary.h"
#include "sandbox/teller.h"

namespace shrike::sandbox::microvm {

class GuestRun {
 public:
  GuestRun(Vmm& vmm, const Job& job, Teller& teller);
  /// Sends the job. Errors: its files cannot be read; the process has gone.
  Result<void> begin(JobFiles files);
  /// Until it has reported, or was ended.
  void watch();
  /// Fills in what it said and what is known besides. False: its process is not to have another job.
  bool finish(Report& report);

 private:
  void hear();
  void take(sandbox::Frame type, std::string_view payload);
  void take_calls(std::string_view payload);
  void look_at_time();
  void end(Status status, std::string cause);
  void ended_by_itself();

  Vmm& vmm_;
  const Job& job_;
  Teller& teller_;
  Summary summary_;  // for when the machine cannot report any more
  std::optional<FileHash> program_;
  uint64_t start_ns_, cpu_start_ns_;
  uint64_t stop_ns_ = 0;  // when it was told to end
  bool told_begin_ = false;
  std::optional<Report> report_;  // the machine's
  struct End {
    Status status;
    std::string cause;
  };
  std::optional<End> end_;  // where the machine did not report
};

}  // namespace shrike::sandbox::microvm
