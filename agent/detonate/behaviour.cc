#include "agent/detonate/behaviour.h"

#include "agent/detonate/calls.h"
#include "agent/detonate/finding.h"
#include "agent/detonate/refusals.h"

namespace shrike::detonate {
namespace {

constexpr uint64_t long_wait_ns = 120'000'000'000;

/// Loaders of other interfaces, as ldd tries all there are; whose own interface is no evasion.
bool is_foreign_program(std::string_view exe) {
  return exe.starts_with("/usr/lib32/") || exe.starts_with("/usr/libx32/") ||
         exe.starts_with("/usr/lib/i386-linux-gnu/");
}

void on_refusal(const sandbox::Call& call, const Event& event, std::vector<Alert>& alerts) {
  const Finding* finding = refused_finding(call);
  if (finding == nullptr || (call.abi != sandbox::CallAbi::x86_64 && is_foreign_program(program_of(event)))) return;
  const std::string name = call_text(call);
  tell(alerts, *finding, event, std::string(program_of(event)) + " called " + name + ", which the sandbox refused",
       {{"call", name}});
}

}  // namespace

void Behaviour::evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                         std::vector<Alert>& alerts) {
  // What the sandbox does not have is asked for by libraries, which have another way.
  if ((call.flags & sandbox::call_denied) != 0) on_refusal(call, event, alerts);
  programs_.evaluate(call, event, processes, alerts);
  files_.evaluate(event, processes, alerts);
  network_.evaluate(event, alerts);
}

void Behaviour::at_end(const sandbox::Report& report, const Event& about, std::vector<Alert>& alerts) const {
  network_.at_end(report, files_.user_files_read(), about, alerts);
  if (report.status == sandbox::Status::violation)
    tell(alerts, violation, about, "the program was ended at a violation: " + report.cause);
  if (report.status == sandbox::Status::timed_out)
    tell(alerts, never_ends, about, "the program was ended when its time was up");
  if (report.virtual_ns > report.wall_ns && report.virtual_ns - report.wall_ns > long_wait_ns) {
    const std::string seconds = std::to_string((report.virtual_ns - report.wall_ns) / 1'000'000'000);
    tell(alerts, long_wait, about, "the program waited for " + seconds + " s of its own time, which were skipped",
         {{"waited_s", seconds}});
  }
}

}  // namespace shrike::detonate
