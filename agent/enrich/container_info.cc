#include "agent/enrich/container_info.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "agent/enrich/container_json.h"
#include "common/base/fd.h"

namespace shrike::enrich {
namespace {

constexpr size_t entries_max = 32;  // containerd's namespaces, docker's storage drivers: a handful
constexpr uint64_t second_ns = 1'000'000'000;

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (out.size() < entries_max) {
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
  }
  ::closedir(dir);
  return out;
}

/// Ids become parts of paths: nothing but what runtimes make.
bool is_id(std::string_view id) {
  return (id.size() == 64 || id.size() == 32) && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

ContainerFiles::File ContainerFiles::read(const std::string& path, size_t limit) {
  File out;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return out;
  if (status.st_size < 0 || static_cast<uint64_t>(status.st_size) > limit) return out;
  out.modified_ns =
      static_cast<uint64_t>(status.st_mtim.tv_sec) * second_ns + static_cast<uint64_t>(status.st_mtim.tv_nsec);
  out.text.resize(static_cast<size_t>(status.st_size));
  size_t have = 0;
  while (have < out.text.size()) {
    const ssize_t n = ::read(fd.get(), out.text.data() + have, out.text.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  out.text.resize(have);
  bytes_ += have;
  return out;
}

std::optional<ContainerInfo> ContainerFiles::of_bundle(const File& spec, const File& sandbox) {
  auto info = info_of_oci(spec.text, sandbox.text);
  // The runtime writes it just before the start.
  if (info && info->start_ns == 0) info->start_ns = spec.modified_ns;
  return info;
}

std::shared_ptr<const ContainerInfo> ContainerFiles::find(const Container& container) {
  if (!is_id(container.id)) return nullptr;
  const std::string& runtime = container.runtime;
  const bool any = runtime == "kubernetes";  // its cgroup does not say whose it is
  std::optional<ContainerInfo> info;
  if (any || runtime == "containerd" || runtime == "docker") {
    if (runtime != "containerd") info = docker(container.id);
    // Docker's own containerd has a bundle too, and cgroups of plain containerd may be docker's.
    if (!info) info = containerd(container.id);
    if (!info && runtime == "containerd") info = docker(container.id);
  }
  if (!info && (any || runtime == "crio" || runtime == "podman")) info = storage(container.id);
  return info ? std::make_shared<const ContainerInfo>(std::move(*info)) : nullptr;
}

std::optional<ContainerInfo> ContainerFiles::docker(const std::string& id) {
  const std::string folder = root_ + "/var/lib/docker/containers/" + id;
  const File config = read(folder + "/config.v2.json", container_file_max_bytes);
  if (config.text.empty()) return std::nullopt;
  auto info = info_of_docker(config.text, read(folder + "/hostconfig.json", container_file_max_bytes).text);
  if (!info) return std::nullopt;
  if (const std::string image = docker_image_id(config.text); !image.empty())
    for (const std::string& driver : entries(root_ + "/var/lib/docker/image")) {
      const File images =
          read(root_ + "/var/lib/docker/image/" + driver + "/repositories.json", container_list_max_bytes);
      if (images.text.empty()) continue;
      add_docker_image(*info, images.text, image);
      break;
    }
  return info;
}

std::optional<ContainerInfo> ContainerFiles::containerd(const std::string& id) {
  for (const char* state : {"/run/containerd", "/run/k3s/containerd", "/run/docker/containerd/daemon"}) {
    const std::string tasks = root_ + state + "/io.containerd.runtime.v2.task";
    for (const std::string& space : entries(tasks)) {
      const std::string bundles = tasks + "/" + space + "/";
      const File spec = read(bundles + id + "/config.json", container_file_max_bytes);
      if (spec.text.empty()) continue;
      const std::string sandbox = sandbox_of_oci(spec.text);
      auto info = of_bundle(
          spec, sandbox.empty() ? File() : read(bundles + sandbox + "/config.json", container_file_max_bytes));
      if (info) return info;
    }
  }
  return std::nullopt;
}

std::optional<ContainerInfo> ContainerFiles::storage(const std::string& id) {
  const std::vector<std::string> stores = {root_ + "/run/containers/storage/overlay-containers/",
                                           root_ + "/var/lib/containers/storage/overlay-containers/"};
  const auto spec_of = [&](const std::string& container) {
    for (const std::string& store : stores)
      if (File file = read(store + container + "/userdata/config.json", container_file_max_bytes); !file.text.empty())
        return file;
    return File();
  };
  const File spec = spec_of(id);
  const std::string sandbox = sandbox_of_oci(spec.text);
  auto info = of_bundle(spec, sandbox.empty() ? File() : spec_of(sandbox));
  if (!info) return std::nullopt;
  if (!info->name.empty() && !info->image.empty() && !info->image_id.empty()) return info;
  for (const std::string& store : stores)
    for (const char* list : {"volatile-containers.json", "containers.json"})
      if (add_storage_record(*info, read(store + list, container_list_max_bytes).text, id)) return info;
  return info;
}

}  // namespace shrike::enrich
