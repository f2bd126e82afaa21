#pragma once
// What a container runtime knows of a container and its Kubernetes pod, and the kernel does not. Rules ask for it
// (container.image.repository, k8s.ns.name); what is empty is missing.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shrike {

struct ContainerInfo {
  struct Mount {
    std::string source;
    std::string dest;
    std::string mode;
    std::string propagation;
    bool writable = false;
  };
  using Labels = std::vector<std::pair<std::string, std::string>>;

  std::string name;
  std::string image;             ///< as it was asked for: docker.io/library/nginx:1.25
  std::string image_id;          ///< 64 hexadecimal digits, cut to 12 as Falco does
  std::string image_repository;  ///< docker.io/library/nginx
  std::string image_tag;         ///< 1.25
  std::string image_digest;      ///< sha256:...
  std::string ip;
  std::optional<bool> privileged;
  std::optional<bool> host_pid, host_network, host_ipc;
  std::vector<Mount> mounts;
  Labels labels;
  uint64_t start_ns = 0;  ///< wall clock, 0: not known
  std::string pod_name;
  std::string pod_uid;
  std::string pod_namespace;
  std::string pod_sandbox_id;  ///< of the pod's pause container
  std::string pod_ip;
  Labels pod_labels;
};

}  // namespace shrike
