// Threat model: whoever may start a container chooses its name, image, labels, annotations and mounts, which its
// runtime writes into files that the agent, as root, reads in its one loop. The runtime keeps them JSON, but a field
// can hold anything, JSON in it included, and of any size. Whatever the file: no crash, and no more text kept than the
// bound. The input is up to two files with a NUL between them: of the container and of its pod, or docker's two.
//
// link: shrike_enrich

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/enrich/container_json.h"

namespace {

size_t text_of(const shrike::ContainerInfo& info) {
  size_t sum = info.name.size() + info.image.size() + info.ip.size() + info.pod_name.size() + info.pod_uid.size() +
               info.pod_namespace.size() + info.pod_sandbox_id.size();
  for (const auto& mount : info.mounts) sum += mount.source.size() + mount.dest.size() + mount.mode.size();
  for (const auto* labels : {&info.labels, &info.pod_labels})
    for (const auto& [name, value] : *labels) sum += name.size() + value.size();
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike::enrich;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = text.substr(0, text.find('\0'));
  const std::string_view second = first.size() < text.size() ? text.substr(first.size() + 1) : std::string_view{};
  const std::string id(64, 'a');
  // The list of a storage has a budget of its own, a quarter; docker's image too, less.
  constexpr size_t bound = container_text_max_bytes + container_text_max_bytes / 4;
  if (auto info = info_of_oci(first, second)) {
    add_storage_record(*info, second, id);
    if (text_of(*info) > bound) std::abort();
  }
  if (auto info = info_of_docker(first, second)) {
    add_docker_image(*info, second, docker_image_id(first));
    if (text_of(*info) > bound) std::abort();
  }
  shrike::ContainerInfo info;
  add_storage_record(info, first, id);
  if (text_of(info) > bound) std::abort();
  const std::string sandbox = sandbox_of_oci(first);
  if (!sandbox.empty() && sandbox.size() != 64) std::abort();
  return 0;
}
