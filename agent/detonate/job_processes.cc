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

void JobProcesses::wrote(std::string_view path) {
  if (!path.empty() && written_.size() < written_most) written_.emplace(path);
}

void JobProcesses::moved(std::string_view from, std::string_view to) {
  if (!has_written(from)) return;
  written_.erase(written_.find(from));
  wrote(to);
}

}  // namespace shrike::detonate
