#include "sandbox/process/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {

namespace {

constexpr uint32_t own_processes = 1;  // the sandbox's init
constexpr int remove_tries = 2000;     // of a millisecond each
constexpr int make_tries = 100;

/// The folder above may go at any moment: another sandbox that has just ended takes it along when it is empty.
Result<void> make_group(Hierarchy hierarchy, const std::string& folder) {
  for (int tries = 0; ::mkdir(folder.c_str(), 0755) != 0; ++tries)
    if (errno != ENOENT || tries == make_tries || !make_jobs_folder(hierarchy)) return errno_error(folder);
  return {};
}

}  // namespace

Result<Cgroup> Cgroup::create(const CgroupHost& host, const std::string& name) {
  Cgroup group;
  for (const auto& hierarchy : host.hierarchies) {
    const std::string folder = hierarchy.folder + "/" + name;
    TRY_VOID(make_group(hierarchy, folder));
    group.places_.push_back({hierarchy.version, hierarchy.controllers, folder});
    if (hierarchy.version != 2) continue;
    group.fd_ = Fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat st {};
    if (!group.fd_.valid() || ::fstat(group.fd_.get(), &st) != 0) return errno_error(folder);
    group.id_ = st.st_ino;
  }
  return group;
}

Cgroup::~Cgroup() {
  for (const auto& place : places_) ::rmdir(place.folder.c_str());
}

const Cgroup::Place* Cgroup::with(std::string_view controller) const {
  const auto found = std::find_if(places_.begin(), places_.end(), [&](const Place& place) {
    return std::find(place.controllers.begin(), place.controllers.end(), controller) != place.controllers.end();
  });
  return found == places_.end() ? nullptr : &*found;
}

Result<void> Cgroup::join(pid_t pid) {
  for (const auto& place : places_)
    if (place.version == 1 && !put(place.folder + "/cgroup.procs", std::to_string(pid)))
      return errno_error(place.folder + "/cgroup.procs");
  return {};
}

std::vector<std::string> Cgroup::limit(const Limits& limits) {
  std::vector<std::string> notes;
  const std::string bytes = std::to_string(limits.memory_bytes);
  if (const Place* memory = with("memory"); memory == nullptr) {
    notes.emplace_back("memory is limited for each process, not for all together");
  } else if (memory->version == 2) {
    if (!put(memory->folder + "/memory.max", bytes)) notes.emplace_back("memory.max cannot be set");
    put(memory->folder + "/memory.swap.max", "0");  // where there is no swap there is no such file
    put(memory->folder + "/memory.oom.group", "1");
  } else {
    if (!put(memory->folder + "/memory.limit_in_bytes", bytes)) notes.emplace_back("memory.limit cannot be set");
    put(memory->folder + "/memory.memsw.limit_in_bytes", bytes);  // the same
    put(memory->folder + "/memory.max_usage_in_bytes", "0");
  }
  const std::string processes = std::to_string(limits.processes + own_processes);
  if (const Place* pids = with("pids"); pids == nullptr || !put(pids->folder + "/pids.max", processes))
    notes.emplace_back("processes are limited by user");
  return notes;
}

void Cgroup::start_counting() {
  cpu_before_ns_ = 0;
  cpu_before_ns_ = usage().cpu_ns;
}

CgroupUsage Cgroup::usage() const {
  CgroupUsage usage;
  for (const auto& place : places_) {
    // Also without controllers version 2 counts processor time.
    if (place.version == 2 && usage.cpu_ns == 0)
      usage.cpu_ns = get_number(place.folder + "/cpu.stat", "usage_usec") * 1000;
  }
  if (const Place* cpu = with("cpuacct"); usage.cpu_ns == 0 && cpu != nullptr)
    usage.cpu_ns = get_number(cpu->folder + "/cpuacct.usage");
  usage.cpu_ns -= std::min(usage.cpu_ns, cpu_before_ns_);
  if (const Place* memory = with("memory"); memory != nullptr && memory->version == 2) {
    usage.peak_memory_bytes = get_number(memory->folder + "/memory.peak");  // since 5.19
    usage.out_of_memory_kills = get_number(memory->folder + "/memory.events", "oom_kill");
  } else if (memory != nullptr) {
    usage.peak_memory_bytes = get_number(memory->folder + "/memory.max_usage_in_bytes");
    usage.out_of_memory_kills = get_number(memory->folder + "/memory.oom_control", "oom_kill");
  }
  return usage;
}

bool Cgroup::freeze(bool stopped) {
  for (const auto& place : places_)
    if (place.version == 2) return put(place.folder + "/cgroup.freeze", stopped ? "1" : "0");
  return false;
}

bool Cgroup::kill() {
  for (const auto& place : places_)
    if (place.version == 2) return put(place.folder + "/cgroup.kill", "1");  // since 5.14
  return false;
}

Result<void> Cgroup::remove() {
  for (const auto& place : places_) {
    int tries = 0;
    // The last process is reaped, but its group may be told a moment later.
    while (::rmdir(place.folder.c_str()) != 0 && errno == EBUSY && ++tries < remove_tries) ::poll(nullptr, 0, 1);
    struct stat st {};
    if (::stat(place.folder.c_str(), &st) == 0) return errno_error(place.folder + ": is not empty", EBUSY);
  }
  places_.clear();
  return {};
}

}  // namespace shrike::sandbox::process
