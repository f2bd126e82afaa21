// Threat model: a job comes from whoever may speak to the sandbox's socket, and over the bus from a collector that may
// have been taken over; a report comes from a sandbox that ran a hostile program. Reading either must not crash, and
// what was accepted must be within its bounds and the same when written and read again.
// link: shrike_sandbox

#include <cstdlib>

#include "sandbox/job.h"
#include "sandbox/report.h"

using namespace shrike::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto job = job_from_json(text)) {
    if (!check_job(*job)) std::abort();
    const std::string again = job_to_json(*job);
    const auto back = job_from_json(again);
    if (!back || job_to_json(*back) != again) std::abort();
  }
  if (const auto report = report_from_json(text)) {
    const std::string again = report_to_json(*report);
    const auto back = report_from_json(again);
    if (again.find('\n') != std::string::npos || !back || report_to_json(*back) != again) std::abort();
  }
  return 0;
}
