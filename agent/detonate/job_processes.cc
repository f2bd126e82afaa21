#include "agent/detonate/job_processes.h"

#include <algorithm>

namespace shrike::detonate {

void Descriptors::put(int fd, Descriptor descriptor) {
  if (open_.size() >= most && !open_.contains(fd)) return;
  open_[fd] = std::move(descriptor);
}

Descriptor* Descriptors::find(int fd) {
  const auto at = open_.find(fd);
  return at == open_.end() ? nullptr : &at->second;
}

const Descriptor* Descriptors::find(int fd) const {
  const auto at = open_.find(fd);
  return at == open_.end() ? nullptr : &at->second;
}

void Descriptors::close(uint32_t first, uint32_t last) {
  for (auto at = open_.begin(); at != open_.end();) {
    const auto fd = static_cast<uint32_t>(at->first);
    at = fd >= first && fd <= last ? open_.erase(at) : std::next(at);
  }
}

void set_name(Task& task, std::string_view name) {
  task.comm.fill(0);
  name.copy(task.comm.data(), task.comm.size() - 1);
}

JobProcess* JobProcesses::find(uint32_t pid) {
  const auto at = processes_.find(pid);
  return at == processes_.end() ? nullptr : &at->second;
}

JobProcess& JobProcesses::at(uint32_t pid, uint64_t time_ns) {
  if (JobProcess* known = find(pid)) return *known;
  return begin(pid, 0, time_ns);
}

JobProcess& JobProcesses::begin(uint32_t pid, uint32_t parent, uint64_t time_ns) {
  JobProcess made;
  if (const JobProcess* from = parent == 0 || parent == pid ? nullptr : find(parent)) {
    made = *from;
    made.exited = false;
    made.task.ppid = parent;
    made.task.parent_start_ns = from->task.start_ns;
    // The start tells processes of one number apart, and a child from its parent: it has to be later.
    time_ns = std::max(time_ns, from->task.start_ns + 1);
  } else {
    made.task.uid = made.task.euid = made.task.suid = uid_;
    made.task.gid = made.task.egid = made.task.sgid = gid_;
    made.task.cgroup_id = cgroup_id_;
  }
  if (const JobProcess* before = find(pid)) time_ns = std::max(time_ns, before->task.start_ns + 1);
  made.task.pid = made.task.tid = made.task.vpid = pid;
  made.task.session = 1;
  made.task.start_ns = time_ns;
  make_room();
  return processes_[pid] = std::move(made);
}

void JobProcesses::make_room() {
  while (processes_.size() >= most) {
    const auto older = [](const auto& a, const auto& b) {
      if (a.second.exited != b.second.exited) return a.second.exited;
      return a.second.task.start_ns < b.second.task.start_ns;
    };
    processes_.erase(std::min_element(processes_.begin(), processes_.end(), older));
  }
}

const JobProcess* JobProcesses::find(uint32_t pid) const {
  const auto at = processes_.find(pid);
  return at == processes_.end() ? nullptr : &at->second;
}

bool JobProcesses::runs_script(std::string_view path) const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [&](const auto& one) { return !one.second.exited && one.second.script == path; });
}

void JobProcesses::wrote(std::string_view path, bool built) {
  if (path.empty()) return;
  if (const auto known = written_.find(path); known != written_.end())
    known->second = built;
  else if (written_.size() < written_most)
    written_.emplace(path, built);
}

void JobProcesses::moved(std::string_view from, std::string_view to) {
  const auto known = written_.find(from);
  if (known == written_.end()) return;
  const bool built = known->second;
  written_.erase(known);
  wrote(to, built);
}

bool JobProcesses::has_built(std::string_view path) const {
  const auto known = written_.find(path);
  return known != written_.end() && known->second;
}

std::string_view JobProcesses::written_beside(std::string_view path) const {
  const std::string begin = std::string(path) + ".";
  const auto at = written_.lower_bound(begin);
  return at != written_.end() && at->first.starts_with(begin) ? std::string_view(at->first) : std::string_view();
}

}  // namespace shrike::detonate
