#include "agent/own_jobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "common/base/clock.h"

namespace shrike::agent {
namespace {

constexpr size_t jobs_max = 1024;
constexpr uint64_t keep_ended_ns = 60'000'000'000;  // events of it are in the rings for milliseconds
constexpr int ancestors_max = 256;

uint32_t own_user_namespace() {
  struct stat about {};
  return ::stat("/proc/self/ns/user", &about) == 0 ? static_cast<uint32_t>(about.st_ino) : 0;
}

/// The first ancestor outside of a user namespace; null where the table has lost the way.
const Process* outside(const Process& process, uint32_t user_namespace) {
  const Process* at = process.parent;
  for (int i = 0; at != nullptr && i < ancestors_max; ++i, at = at->parent)
    if (at->task.ns_user != user_namespace) return at;
  return nullptr;
}

}  // namespace

std::vector<std::string> OwnJobs::find_programs(const std::vector<std::string>& paths) {
  std::vector<std::string> wrong;
  std::vector<Program> programs;
  std::vector<Fd> held;
  for (const auto& path : paths) {
    struct stat about {};
    Fd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!file.valid() || ::fstat(file.get(), &about) != 0) continue;
    if (!S_ISREG(about.st_mode) || about.st_uid != 0 || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
      wrong.push_back(path + ": others than root can change it, so its sandboxes are judged as any program");
      continue;
    }
    programs.push_back({::gnu_dev_major(about.st_dev) << 20 | ::gnu_dev_minor(about.st_dev), about.st_ino});
    held.push_back(std::move(file));
  }
  set_programs(std::move(programs), own_user_namespace());
  held_ = std::move(held);
  return wrong;
}

void OwnJobs::set_programs(std::vector<Program> programs, uint32_t host_user_namespace) {
  programs_ = std::move(programs);
  host_ = host_user_namespace;
}

void OwnJobs::begin(const sandbox::JobPlace& place) {
  const std::lock_guard lock(mutex_);
  const uint64_t now = boot_now_ns();
  std::erase_if(jobs_, [&](const Job& job) { return job.ended_ns != 0 && job.ended_ns + keep_ended_ns < now; });
  if (jobs_.size() < jobs_max) jobs_.push_back({place, 0});
}

void OwnJobs::end(const sandbox::JobPlace& place, uint64_t boot_ns) {
  const std::lock_guard lock(mutex_);
  for (Job& job : jobs_)
    if (job.place == place && job.ended_ns == 0) job.ended_ns = boot_ns;
}

bool OwnJobs::is_program(const Task& task) const {
  return std::any_of(programs_.begin(), programs_.end(), [&](const Program& program) {
    return program.device == task.exe_dev && program.inode == task.exe_inode;
  });
}

bool OwnJobs::is_starter(const Process* process) const {
  return process != nullptr && process->task.euid == 0 && process->task.ns_user == host_ && is_program(process->task);
}

bool OwnJobs::sets_up(const Process* process, uint32_t user_namespace) const {
  if (process == nullptr || host_ == 0 || user_namespace == 0 || user_namespace == host_) return false;
  if (!is_program(process->task)) return false;
  const Process* starter = outside(*process, user_namespace);
  return is_starter(starter) && starter->exec_time_ns == process->exec_time_ns;
}

bool OwnJobs::is_job(const Event& event) const {
  const sandbox::JobPlace place{event.task.cgroup_id, event.task.ns_user};
  if (host_ == 0 || place.cgroup == 0 || place.user_namespace == 0 || event.task.ns_user == host_) return false;
  {
    const std::lock_guard lock(mutex_);
    const auto told = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& job) {
      return job.place == place && (job.ended_ns == 0 || event.boot_ns <= job.ended_ns);
    });
    if (told == jobs_.end()) return false;
  }
  // A sandbox that was taken can name any place; its processes are its own children all the same.
  return is_starter(outside(*event.process, event.task.ns_user));
}

bool OwnJobs::ours(const Event& event) const {
  if (programs_.empty() || event.process == nullptr) return false;
  if (event.kind == EventKind::bpf && event.task.euid == 0 && event.task.ns_user == host_ && is_program(event.task))
    return true;
  return sets_up(event.process, event.task.ns_user) || is_job(event);
}

std::vector<std::string> own_program_paths() {
  std::error_code none;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", none);
  std::vector<std::string> paths = {"/usr/sbin/shrike-sandbox", "/usr/sbin/shrike-agent"};
  if (none) return paths;
  for (const char* name : {"shrike-sandbox", "shrike-agent"})
    if (auto path = (own.parent_path() / name).string(); std::find(paths.begin(), paths.end(), path) == paths.end())
      paths.push_back(std::move(path));
  return paths;
}

}  // namespace shrike::agent
