#include "scoring/risk/findings.h"

#include <xxhash.h>

#include <algorithm>

#include "common/base/bytes.h"

namespace shrike::scoring {
namespace {

template <class T>
void append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append(std::string& to, const std::string& text) { to.append(text).push_back('\0'); }

/// The program as the kernel knows it: its file. A name would be the process's own choice.
void append_program(std::string& to, const Task& task, const std::string& exe) {
  append(to, task.exe_dev);
  append(to, task.exe_inode);
  if (task.exe_inode == 0) append(to, exe);
}

size_t size_of(const Alert& alert) {
  size_t size = sizeof alert + alert.message.size() + alert.rule.size() + alert.process.cmdline.size() +
                alert.process.exe.size() + alert.process.cwd.size() + alert.priority.size();
  for (const auto& [name, value] : alert.fields) size += 2 * sizeof(std::string) + name.size() + value.size();
  for (const auto* list : {&alert.ancestors, &alert.attack, &alert.tags})
    for (const std::string& one : *list) size += sizeof(std::string) + one.size();
  return size + alert.scores.size() * 64;
}

std::string uid_of(std::string id, const std::string& node) {
  id += node;
  const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
  id.clear();
  append(id, hash.low64);
  append(id, hash.high64);
  return hex(id);
}

}  // namespace

Findings::Key Findings::key_of(const Event& event, const Alert& alert) {
  std::string text;
  append(text, alert.source);
  append(text, alert.rule);
  // What was done, or not done, because of one rule is not what was because of another, or for another reason.
  if (alert.source == AlertSource::response)
    for (const auto& [name, value] : alert.fields)
      if (name == "action" || name == "reason" || name == "cause_rule") append(text, value);
  if (event.kind == EventKind::none) {
    // Nobody did it: each sentence is a finding of its own.
    append(text, alert.message);
  } else {
    const Process* process = event.process;
    const Process* parent = process != nullptr ? process->parent : nullptr;
    append_program(text, event.task, process != nullptr ? process->exe : alert.process.exe);
    if (parent != nullptr) append_program(text, parent->task, parent->exe);
    append(text, parent != nullptr);
    append(text, event.task.uid);
    // The whole id: what alerts show of it is cut.
    append(text,
           process != nullptr && process->container != nullptr ? process->container->id : alert.process.container_id);
  }
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

void Findings::set_next(const Key& key, Finding& finding, uint64_t next_ns) {
  order_.erase({finding.next_ns, key});
  finding.next_ns = next_ns;
  order_.emplace(next_ns, key);
}

void Findings::keep(Finding& finding, const Alert& alert) {
  bytes_ -= finding.bytes;
  finding.last = alert;
  finding.bytes = size_of(alert);
  bytes_ += finding.bytes;
}

void Findings::fill(const Finding& finding, Activity activity, Alert& alert) {
  alert.uid = finding.uid;
  alert.activity = activity;
  alert.count = static_cast<uint32_t>(std::min<uint64_t>(finding.count, UINT32_MAX));
  alert.first_time_ns = finding.first_time_ns == alert.time_ns ? 0 : finding.first_time_ns;
  alert.severity = std::max(alert.severity, finding.severity);
}

void Findings::single(const Event& event, Alert& alert, uint64_t now_ns) {
  const Key key = key_of(event, alert);
  std::string id;
  append(id, key.low);
  append(id, key.high);
  append(id, alert.time_ns);
  append(id, event.task.tid);
  append(id, now_ns);
  alert.uid = uid_of(std::move(id), alert.node);
  alert.activity = Activity::create;
}

bool Findings::admit(const Event& event, Alert& alert, uint64_t now_ns, std::vector<Alert>& told) {
  if (limits_.quiet_ns == 0) {
    single(event, alert, now_ns);
    return true;
  }
  const Key key = key_of(event, alert);
  const auto at = open_.find(key);
  if (at == open_.end()) {
    // The time makes it another finding when it comes back later; replay gives the same.
    std::string id;
    append(id, key.low);
    append(id, key.high);
    append(id, alert.time_ns);
    alert.uid = uid_of(std::move(id), alert.node);
    alert.activity = Activity::create;
    Finding finding;
    finding.uid = alert.uid;
    finding.severity = alert.severity;
    finding.first_time_ns = alert.time_ns;
    finding.told_ns = now_ns;
    finding.pause_ns = limits_.first_pause_ns;
    finding.next_ns = now_ns + limits_.quiet_ns;
    order_.emplace(finding.next_ns, key);
    open_.emplace(key, std::move(finding));
    make_room(told);
    return true;
  }
  Finding& finding = at->second;
  ++finding.count;
  const bool risen = alert.severity > finding.severity;
  finding.severity = std::max(finding.severity, alert.severity);
  fill(finding, Activity::update, alert);
  keep(finding, alert);
  // Records of several rings come in order; a clock that ran back would only make an update come late.
  const uint64_t since_told = now_ns > finding.told_ns ? now_ns - finding.told_ns : 0;
  if (risen || (finding.untold == 0 && since_told >= finding.pause_ns)) {
    const bool rested = since_told >= 2 * finding.pause_ns;
    finding.pause_ns = rested ? limits_.first_pause_ns : std::min(2 * finding.pause_ns, limits_.longest_pause_ns);
    finding.untold = 0;
    finding.told_ns = now_ns;
    set_next(key, finding, now_ns + limits_.quiet_ns);
    make_room(told);
    return true;
  }
  ++suppressed_;
  if (++finding.untold == 1) set_next(key, finding, finding.told_ns + finding.pause_ns);
  make_room(told);
  return false;
}

void Findings::close(Open::iterator at, std::vector<Alert>& told) {
  Finding& finding = at->second;
  if (finding.count > 1) {
    fill(finding, Activity::close, finding.last);
    told.push_back(std::move(finding.last));
  }
  bytes_ -= finding.bytes;
  order_.erase({finding.next_ns, at->first});
  open_.erase(at);
}

void Findings::make_room(std::vector<Alert>& told) {
  while (!order_.empty() && (open_.size() > limits_.findings || bytes_ > limits_.bytes))
    close(open_.find(order_.begin()->second), told);
}

void Findings::expire(uint64_t now_ns, std::vector<Alert>& told) {
  while (!order_.empty() && order_.begin()->first <= now_ns) {
    const auto at = open_.find(order_.begin()->second);
    Finding& finding = at->second;
    if (finding.untold == 0) {
      close(at, told);
      continue;
    }
    finding.untold = 0;
    finding.told_ns = now_ns;
    finding.pause_ns = std::min(2 * finding.pause_ns, limits_.longest_pause_ns);
    fill(finding, Activity::update, finding.last);
    told.push_back(finding.last);
    set_next(at->first, finding, now_ns + limits_.quiet_ns);
  }
}

void Findings::flush(std::vector<Alert>& told) {
  while (!order_.empty()) close(open_.find(order_.begin()->second), told);
}

}  // namespace shrike::scoring
