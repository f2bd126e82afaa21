#include "agent/enrich/host_lookup.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <array>
#include <climits>
#include <cstring>
#include <unordered_set>

#include "agent/enrich/container.h"
#include "common/base/file.h"

namespace shrike::enrich {
namespace {

constexpr long cgroup2_magic = 0x63677270;  // <linux/magic.h>
constexpr int kernfs_handle = 0xfe;         // FILEID_KERNFS of <linux/exportfs.h>: the 64-bit inode number
constexpr uint64_t hybrid_keep_ns = 1'000'000'000;
constexpr size_t proc_cgroup_max_bytes = 65536;
constexpr uint64_t second_ns = 1'000'000'000;
// Events wait for a look, so many new containers share what can be read in a tenth of a second at the worst.
constexpr unsigned looks_per_second = 20;
constexpr uint64_t look_bytes_per_second = 4u << 20;
// The runtime may write after the first process has started (docker: address, time of start), or not be one we know.
constexpr unsigned looks_for_all = 2;
constexpr unsigned looks_for_missing = 5;
constexpr size_t infos_max = 1024;  // 16 KiB each at most

/// The v2 hierarchy: the mount itself, or below it on hybrid hosts.
Fd open_cgroup2(const std::string& root, std::string& prefix) {
  for (const char* below : {"", "/unified"}) {
    Fd fd(::open((root + below).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct statfs status {};
    if (!fd.valid() || ::fstatfs(fd.get(), &status) != 0 || status.f_type != cgroup2_magic) continue;
    prefix = root + below;
    return fd;
  }
  return Fd();
}

}  // namespace

HostLookup::HostLookup(HostRoots roots)
    : roots_(std::move(roots)),
      users_(roots_.etc.empty() ? std::string() : roots_.etc + "/passwd"),
      groups_(roots_.etc.empty() ? std::string() : roots_.etc + "/group"),
      cgroup_mount_(roots_.proc.empty() ? Fd() : open_cgroup2(roots_.cgroup, cgroup_prefix_)),
      hybrid_(cgroup_prefix_.ends_with("/unified")),
      files_(roots_.containers) {}

std::string_view HostLookup::user(uint32_t uid) {
  return roots_.etc.empty() ? std::string_view{} : users_.name(uid, now_ns_);
}

std::string_view HostLookup::group(uint32_t gid) {
  return roots_.etc.empty() ? std::string_view{} : groups_.name(gid, now_ns_);
}

const Container* HostLookup::container(const Task& task) {
  if (roots_.proc.empty()) return nullptr;
  const Key key{task.cgroup_id, task.ns_mnt};
  if (const auto at = known_.find(key); at != known_.end() && now_ns_ < at->second.until_ns)
    return container_of(at->second.met);

  std::optional<Container> found;
  if (auto text = read_file(roots_.proc + "/" + std::to_string(task.pid) + "/cgroup", proc_cgroup_max_bytes); text) {
    found = container_of_proc(*text);
  } else {
    const std::string path = path_of_cgroup(task.cgroup_id);
    if (path.empty()) return nullptr;  // unknown, so not remembered
    found = container_of_path(path);
  }
  Met* met = nullptr;
  if (found) {
    auto& slot = containers_[found->runtime + ":" + found->id];
    if (slot == nullptr) slot = std::make_unique<Met>(Met{std::move(*found)});
    met = slot.get();
  }
  // A v2 cgroup's id is never given twice; a mount namespace's is, and on a hybrid host it alone may tell two
  // containers.
  if (known_.size() < known_max) known_[key] = {met, hybrid_ ? now_ns_ + hybrid_keep_ns : UINT64_MAX};
  return container_of(met);
}

const Container* HostLookup::container_of(Met* met) {
  if (met == nullptr) return nullptr;
  if (now_ns_ >= met->look_again_ns) look(*met);
  return &met->container;
}

void HostLookup::look(Met& met) {
  if (now_ns_ >= looks_until_ns_) {
    looks_until_ns_ = now_ns_ + second_ns;
    looks_ = 0;
    looks_bytes_ = files_.bytes();
  }
  const bool spent = looks_ >= looks_per_second || files_.bytes() - looks_bytes_ >= look_bytes_per_second;
  if (spent || containers_.size() > infos_max) {
    met.look_again_ns = now_ns_ + second_ns;
    return;
  }
  ++looks_;
  ++met.looks;
  auto info = files_.find(met.container);
  if (info != nullptr) met.container.info = std::move(info);
  const bool enough = met.looks >= (met.container.info != nullptr ? looks_for_all : looks_for_missing);
  met.look_again_ns = enough ? UINT64_MAX : now_ns_ + (second_ns << met.looks);
}

std::string HostLookup::path_of_cgroup(uint64_t cgroup_id) {
  if (!cgroup_mount_.valid()) return {};
  alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof cgroup_id> room{};
  auto* handle = reinterpret_cast<file_handle*>(room.data());
  handle->handle_bytes = sizeof cgroup_id;
  handle->handle_type = kernfs_handle;
  std::memcpy(room.data() + sizeof(file_handle), &cgroup_id, sizeof cgroup_id);
  const Fd fd(::open_by_handle_at(cgroup_mount_.get(), handle, O_PATH | O_CLOEXEC));
  if (!fd.valid()) return {};
  std::array<char, PATH_MAX> link{};
  const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), link.data(), link.size());
  if (length <= 0) return {};
  const std::string path(link.data(), static_cast<size_t>(length));
  return path.starts_with(cgroup_prefix_) ? path.substr(cgroup_prefix_.size()) : std::string{};
}

void HostLookup::sweep(const ProcessTable& table) {
  std::unordered_set<const Container*> used;
  table.for_each([&](const Process& process) { used.insert(process.container); });
  known_.clear();
  std::erase_if(containers_, [&](const auto& entry) { return !used.contains(&entry.second->container); });
  sweep_at_ = std::max<size_t>(64, containers_.size() * 2);
}

}  // namespace shrike::enrich
