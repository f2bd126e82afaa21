#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "common/base/file.h"
#include "sandbox/process/cgroup.h"
#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {

namespace {

constexpr const char* folder_name = "/shrike-sandbox";
constexpr std::string_view job_prefix = "job-";
const std::vector<std::string> wanted_v1 = {"memory", "pids", "cpuacct"};

std::vector<std::string> words(const std::string& text, char between) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, between);)
    if (!word.empty()) all.push_back(word);
  return all;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Our own place in version 2, as /proc/self/cgroup tells it: the line "0::/path".
std::string own_place() {
  const auto text = read_file("/proc/self/cgroup", 64u << 10);
  if (!text) return "/";
  for (const auto& line : words(*text, '\n'))
    if (line.starts_with("0::/")) return line.substr(3);
  return "/";
}

/// Where systemd has given us a subtree (Delegate=yes) we move into a leaf of it and use the rest; elsewhere the top.
std::string folder_of(const std::string& mount) {
  const std::string own = own_place();
  struct stat st {};
  if (own == "/" || ::stat((mount + own + "/cgroup.subtree_control").c_str(), &st) != 0) return mount + folder_name;
  char delegated[8];
  const bool ours = ::getxattr((mount + own).c_str(), "trusted.delegate", delegated, sizeof delegated) > 0 ||
                    ::getxattr((mount + own).c_str(), "user.delegate", delegated, sizeof delegated) > 0;
  if (!ours) return mount + folder_name;
  const std::string leaf = mount + own + "/service";
  if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return mount + folder_name;
  if (!put(leaf + "/cgroup.procs", "0")) return mount + folder_name;
  return mount + own + folder_name;
}

/// Switches on what can be for what is made below `folder`; returns which.
std::vector<std::string> switch_on(const std::string& folder) {
  const std::string above = folder.substr(0, folder.rfind('/'));
  std::vector<std::string> got;
  for (const char* controller : {"memory", "pids", "cpu"}) {
    const std::string plus = std::string("+") + controller;
    if (put(above + "/cgroup.subtree_control", plus) && put(folder + "/cgroup.subtree_control", plus))
      got.emplace_back(controller);
  }
  return got;
}

/// Gone, or nobody has fetched its end yet.
bool is_dead(const std::string& pid) {
  const std::string stat = get("/proc/" + pid + "/stat");
  const size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.substr(name_end, 3) == ") Z";
}

/// Groups of jobs whose process was killed, and whose service too. Their inits died with it.
void remove_stale(const Hierarchy& hierarchy) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(hierarchy.folder, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(job_prefix) || !is_dead(name.substr(job_prefix.size()))) continue;
    if (hierarchy.version == 2) put(entry.path().string() + "/cgroup.kill", "1");
    ::rmdir(entry.path().c_str());
  }
}

}  // namespace

std::string job_group_name(pid_t process) { return std::string(job_prefix) + std::to_string(process); }

const Hierarchy* CgroupHost::with(std::string_view controller) const {
  const auto found = std::find_if(hierarchies.begin(), hierarchies.end(),
                                  [&](const Hierarchy& h) { return has(h.controllers, controller); });
  return found == hierarchies.end() ? nullptr : &*found;
}

const Hierarchy* CgroupHost::version2() const {
  const auto found =
      std::find_if(hierarchies.begin(), hierarchies.end(), [](const Hierarchy& h) { return h.version == 2; });
  return found == hierarchies.end() ? nullptr : &*found;
}

std::vector<Hierarchy> find_hierarchies(std::string_view mounts, const std::string& root) {
  std::vector<Hierarchy> all;
  for (const auto& line : words(std::string(mounts), '\n')) {
    const auto part = words(line, ' ');
    if (part.size() < 4) continue;
    const auto seen = [&](int version, std::string_view controller) {
      return std::any_of(all.begin(), all.end(), [&](const Hierarchy& h) {
        return h.version == version && (version == 2 || has(h.controllers, controller));
      });
    };
    if (part[2] == "cgroup2" && !seen(2, "")) all.push_back({2, {}, root + part[1]});
    if (part[2] != "cgroup") continue;
    Hierarchy found{1, {}, root + part[1]};
    for (const auto& option : words(part[3], ','))
      if (has(wanted_v1, option) && !seen(1, option)) found.controllers.push_back(option);
    if (!found.controllers.empty()) all.push_back(std::move(found));
  }
  return all;
}

bool make_jobs_folder(Hierarchy& hierarchy) {
  if (::mkdir(hierarchy.folder.c_str(), 0755) != 0 && errno != EEXIST) return false;
  if (hierarchy.version == 2) hierarchy.controllers = switch_on(hierarchy.folder);
  return true;
}

CgroupHost prepare_cgroups() {
  CgroupHost host;
  const auto mounts = read_file("/proc/self/mounts", 4u << 20);
  if (!mounts) return {{}, {"/proc/self/mounts cannot be read: no control groups"}};
  for (auto& found : find_hierarchies(*mounts)) {
    found.folder = found.version == 2 ? folder_of(found.folder) : found.folder + folder_name;
    if (!make_jobs_folder(found)) continue;
    if (::access(found.folder.c_str(), W_OK) != 0) continue;
    remove_stale(found);
    host.hierarchies.push_back(std::move(found));
  }
  if (host.version2() == nullptr) host.notes.emplace_back("no control group of version 2 may be made");
  if (host.with("memory") == nullptr)
    host.notes.emplace_back("no memory control group: memory is limited for each process, not for all together");
  if (host.with("pids") == nullptr) host.notes.emplace_back("no pids control group: processes are limited by user");
  return host;
}

bool remove_left_cgroup(const CgroupHost& host, const std::string& name) {
  bool gone = true;
  for (const auto& h : host.hierarchies) {
    const std::string folder = h.folder + "/" + name;
    // Its init dies with the process that made it; what is stopped as well.
    if (h.version == 2) put(folder + "/cgroup.kill", "1");
    if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) gone = false;
  }
  return gone;
}

void remove_cgroups(const CgroupHost& host) {
  for (const auto& h : host.hierarchies) ::rmdir(h.folder.c_str());
}

}  // namespace shrike::sandbox::process
