#include "agent/detonate/detonation.h"

#include <algorithm>
#include <cstdio>

namespace shrike::detonate {
namespace {

constexpr uint32_t processes_most = 4096;
constexpr const char* runtime = "shrike";

}  // namespace

/// Every process of a job is in one container, which is the job.
class Detonation::JobLookup : public enrich::Lookup {
 public:
  explicit JobLookup(const std::string& job) : container_{job, runtime, ""} {}
  const Container* container(const Task&) override { return &container_; }
  std::string_view user(uint32_t uid) override { return uid == 0 ? "root" : uid == 65534 ? "nobody" : ""; }
  std::string_view group(uint32_t gid) override { return gid == 0 ? "root" : gid == 65534 ? "nogroup" : ""; }

 private:
  Container container_;
};

Detonation::Detonation(DetonationOptions options, scoring::RuleSet& rules, Sink& sink)
    : options_(std::move(options)),
      rules_(rules),
      sink_(sink),
      converter_(options_.converter),
      lookup_(std::make_unique<JobLookup>(options_.converter.job)),
      table_(enrich::TableLimits{.processes = processes_most}, *lookup_),
      behaviour_(options_.given) {}
Detonation::~Detonation() = default;

void Detonation::call(const sandbox::Call& call) {
  ++counts_.calls;
  if (call.seq > next_seq_) counts_.missing += call.seq - next_seq_;
  next_seq_ = std::max(next_seq_, call.seq + 1);
  traces_.add(call);
  if (first_pid_ == 0) first_pid_ = call.pid;
  if (!converter_.convert(call, event_)) return;
  table_.apply(event_);
  ++counts_.events;
  rules_.evaluate(event_, alerts_);
  behaviour_.evaluate(call, event_, converter_.processes(), alerts_);
  sink_.event(event_);
  for (Alert& alert : alerts_) deliver(event_, alert);
  alerts_.clear();
}

void Detonation::deliver(const Event& event, Alert& alert) {
  alert.node = options_.node;
  risk_.add(alert);
  const bool admitted = findings_.admit(event, alert, event.boot_ns, due_);
  tell_due();
  if (admitted) tell(alert);
}

void Detonation::tell(const Alert& alert) {
  if (counts_.alerts >= alerts_most) {
    ++counts_.alerts_dropped;
    return;
  }
  ++counts_.alerts;
  sink_.alert(alert);
}

void Detonation::tell_due() {
  for (const Alert& alert : due_) tell(alert);
  due_.clear();
}

/// An event about a process as such, now: without anything of the last one but its time.
Event Detonation::about(uint32_t pid) const {
  Event event;
  event.flags = flag_sandbox;
  event.time_ns = event_.time_ns;
  event.boot_ns = event_.boot_ns;
  event.process = table_.find_pid(pid);
  if (event.process != nullptr) event.task = event.process->task;
  return event;
}

void Detonation::score_traces(std::vector<Alert>& alerts) {
  if (options_.background == nullptr) return;
  const auto worst = traces_.worst(*options_.background);
  constexpr double unusual = 0.01, most_unusual = 0.001;
  if (!worst || worst->p_value > unusual) return;
  Alert alert = scoring::alert_about(about(worst->pid));
  alert.rule = "Unusual system calls";
  alert.source = AlertSource::sequence;
  const bool very = worst->p_value <= most_unusual;
  alert.severity = very ? Severity::medium : Severity::low;
  alert.risk = very ? 0.4 : 0.2;
  alert.confidence = very ? 0.6 : 0.4;
  char figures[64];
  std::snprintf(figures, sizeof figures, "%.3g", worst->p_value);
  alert.message = alert.process.name + " made " + std::to_string(worst->calls) +
                  " calls in an order unlike that of normal programs (p = " + figures + ")";
  alert.fields = {{"sequence.p_value", figures}, {"sequence.calls", std::to_string(worst->calls)}};
  alerts.push_back(std::move(alert));
}

void Detonation::finish(sandbox::Report& report) {
  std::vector<Alert> last;
  score_traces(last);
  const Event job = about(first_pid_);
  if (counts_.events > 0) behaviour_.at_end(report, job, last);
  for (Alert& alert : last) deliver(job, alert);
  findings_.flush(due_);
  tell_due();
  report.risk = risk_.risk();
  report.reasons = risk_.reasons();
}

}  // namespace shrike::detonate
