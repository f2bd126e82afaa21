#include "agent/pipeline.h"

namespace shrike::agent {

Pipeline::Pipeline(PipelineOptions options, scoring::RuleSet rules, Sink& sink)
    : node_(std::move(options.node)),
      wall_offset_ns_(options.wall_offset_ns),
      decoder_(options.wall_offset_ns),
      lookup_(std::move(options.roots)),
      table_(options.table, lookup_),
      watch_(std::move(options.self)),
      rules_(std::move(rules)),
      findings_(options.findings),
      sink_(sink) {}

void Pipeline::feed(std::span<const std::byte> record) {
  ++counts_.records;
  if (!decoder_.decode(record, event_)) {
    ++counts_.undecodable;
    return;
  }
  ++counts_.events[static_cast<size_t>(event_.kind) % event_kind_count];
  lookup_.set_now(event_.boot_ns);
  if (lookup_.wants_sweep()) lookup_.sweep(table_);
  // An exec is the act of the program before it.
  const bool set_up = own_jobs_ != nullptr && event_.kind == EventKind::exec &&
                      own_jobs_->sets_up(table_.find(event_.task.pid, event_.task.start_ns), event_.task.ns_user);
  table_.apply(event_);

  rules_.evaluate(event_, alerts_);
  watch_.evaluate(event_, alerts_);
  sequence_.evaluate(event_, alerts_);
  if (!alerts_.empty() && own_jobs_ != nullptr && (set_up || own_jobs_->ours(event_))) leave_to_sandbox();
  sink_.event(event_);
  if (event_.kind == EventKind::denied && responder_ != nullptr) {
    Alert about = scoring::alert_about(event_);
    about.node = node_;
    responder_->denied(event_, about, event_.boot_ns, responses_);
    tell_responses(event_, event_.boot_ns);
  }
  if (alerts_.empty()) return;
  for (Alert& alert : alerts_) deliver(event_, alert, event_.boot_ns);
  alerts_.clear();
}

/// What is about the agent itself stays.
void Pipeline::leave_to_sandbox() {
  counts_.left_to_sandbox +=
      std::erase_if(alerts_, [](const Alert& alert) { return alert.source != AlertSource::integrity; });
}

void Pipeline::deliver(const Event& event, Alert& alert, uint64_t boot_ns) {
  alert.node = node_;
  trees_.add(event, alert, boot_ns);
  const bool admitted = findings_.admit(event, alert, boot_ns, due_);
  if (!due_.empty()) deliver_due();
  counts_.suppressed = findings_.suppressed();
  if (admitted) {
    ++counts_.alerts;
    sink_.alert(alert);
  }
  // Also when it was only counted: another process of the same program is another process to act on.
  if (responder_ != nullptr) respond(event, alert, boot_ns);
}

void Pipeline::respond(const Event& event, const Alert& cause, uint64_t boot_ns) {
  responder_->respond(event, cause, boot_ns, responses_);
  tell_responses(event, boot_ns);
}

void Pipeline::tell_responses(const Event& event, uint64_t boot_ns) {
  for (Alert& response : responses_) {
    // What was done is one alert each; what was withheld or refused can come a thousand times a second, and is counted.
    bool admitted = true;
    if (response.rule == respond::withheld_rule || response.rule == respond::refused_rule)
      admitted = findings_.admit(event, response, boot_ns, due_);
    else
      scoring::Findings::single(event, response, boot_ns);
    if (!due_.empty()) deliver_due();
    counts_.suppressed = findings_.suppressed();
    if (!admitted) continue;
    ++counts_.alerts;
    sink_.alert(response);
  }
  responses_.clear();
}

void Pipeline::deliver_due() {
  for (const Alert& alert : due_) {
    ++counts_.alerts;
    sink_.alert(alert);
  }
  due_.clear();
}

void Pipeline::raise(Alert alert) {
  Event none;
  none.time_ns = alert.time_ns;
  deliver(none, alert, boot_ns(alert.time_ns));
}

void Pipeline::tick(uint64_t wall_now_ns) {
  findings_.expire(boot_ns(wall_now_ns), due_);
  deliver_due();
}

void Pipeline::flush() {
  findings_.flush(due_);
  deliver_due();
}

}  // namespace shrike::agent
