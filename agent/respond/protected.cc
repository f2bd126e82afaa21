#include "agent/respond/protected.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "agent/respond/process_stat.h"

namespace shrike::respond {
namespace {

constexpr const char* always[] = {
    "/usr/sbin/sshd",
    "/usr/lib/openssh/sshd-session",
    "/usr/lib/openssh/sshd-auth",
    "/usr/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-logind",
    "/usr/bin/dbus-daemon",
    "/usr/bin/dbus-broker",
    "/usr/sbin/nats-server",
    "/usr/sbin/shrike-agent",
    "/usr/sbin/shrike-collector",
};
constexpr uint32_t kthreadd = 2;
constexpr int lineage_max = 256;

void add_program(Protected& to, const std::string& path) {
  struct stat about {};
  to.paths.insert(path);
  // A link (usr merge) stands for the file it leads to, and the kernel names that by its own path.
  std::error_code none;
  if (const auto real = std::filesystem::canonical(path, none); !none) to.paths.insert(real.string());
  if (::stat(path.c_str(), &about) == 0)
    to.objects.emplace(::gnu_dev_major(about.st_dev) << 20 | ::gnu_dev_minor(about.st_dev), about.st_ino);
}

uint32_t own_namespace(const std::string& kind) {
  struct stat about {};
  return ::stat(("/proc/self/ns/" + kind).c_str(), &about) == 0 ? static_cast<uint32_t>(about.st_ino) : 0;
}

}  // namespace

std::optional<std::string> Protected::why(const Target& target) const {
  if (target.pid <= 1) return "it is pid 1";
  if (target.kernel_thread || target.pid == kthreadd || target.parent_pid == kthreadd) return "it is a kernel thread";
  if (pids.contains(target.pid)) return "it is the agent or one of its ancestors";
  if (target.exe_inode == 0 && target.exe.empty()) return "its program is not known";
  // In another mount namespace anyone can give a program of his own the path of one of these.
  const bool ours = target.mount_namespace != 0 && target.mount_namespace == mount_namespace;
  if (objects.contains({target.exe_dev, target.exe_inode}) || (ours && paths.contains(target.exe)))
    return "its program is on the list of those never touched";
  return std::nullopt;
}

std::vector<std::string> never_touched(const std::vector<std::string>& never) {
  std::vector<std::string> paths(std::begin(always), std::end(always));
  paths.insert(paths.end(), never.begin(), never.end());
  std::error_code none;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", none);
  for (const char* name : {"shrike-agent", "shrike-collector", "shrike"})
    if (!none) paths.push_back((own.parent_path() / name).string());
  return paths;
}

Protected protected_here(const std::vector<std::string>& never) {
  Protected out;
  out.mount_namespace = own_namespace("mnt");
  out.user_namespace = own_namespace("user");
  uint32_t pid = static_cast<uint32_t>(::getpid());
  for (int i = 0; i < lineage_max && pid > 1; ++i) {
    out.pids.insert(pid);
    const auto stat = process_stat(pid);
    if (!stat) break;
    pid = stat->parent;
  }
  for (const std::string& path : never_touched(never)) add_program(out, path);
  return out;
}

}  // namespace shrike::respond
