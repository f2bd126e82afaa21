#include "agent/pipeline.h"

namespace shrike::agent {

Pipeline::Pipeline(PipelineOptions options, scoring::RuleSet rules, Sink& sink)
    : node_(std::move(options.node)),
      decoder_(options.wall_offset_ns),
      lookup_(std::move(options.roots)),
      table_(options.table, lookup_),
      watch_(std::move(options.self)),
      rules_(std::move(rules)),
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
  table_.apply(event_);

  rules_.evaluate(event_, alerts_);
  watch_.evaluate(event_, alerts_);
  sink_.event(event_);
  if (alerts_.empty()) return;
  for (Alert& alert : alerts_) deliver(event_, alert);
  alerts_.clear();
}

void Pipeline::deliver(const Event& event, Alert& alert) {
  alert.node = node_;
  const bool admitted = guard_.admit(event, alert, due_);
  if (!due_.empty()) deliver_due();
  counts_.suppressed = guard_.suppressed();
  if (!admitted) return;
  ++counts_.alerts;
  sink_.alert(alert);
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
  deliver(none, alert);
}

void Pipeline::tick(uint64_t wall_now_ns) {
  guard_.expire(wall_now_ns, due_);
  deliver_due();
}

void Pipeline::flush() {
  guard_.flush(due_);
  deliver_due();
}

}  // namespace shrike::agent
