#pragma once
// What the container runtimes of this host have on disk about a container.

#include <memory>
#include <string>

#include "common/wire/container_info.h"
#include "common/wire/process.h"

namespace shrike::enrich {

/// Reads the files of docker, containerd (k3s too), cri-o and podman, each run by root. No daemon is asked: that would
/// need its socket, which is as good as root, and could block. What only a daemon knows is missing: labels of pods
/// under containerd, the image of a plain containerd container.
class ContainerFiles {
 public:
  /// `root` stands before /run and /var/lib; empty: this host's own.
  explicit ContainerFiles(std::string root) : root_(std::move(root)) {}

  /// Null when no runtime has a file about it that can be understood. Reads at most six files, of at most two MiB;
  /// with files of usual size it takes about a millisecond.
  [[nodiscard]] std::shared_ptr<const ContainerInfo> find(const Container& container) const;

 private:
  [[nodiscard]] std::optional<ContainerInfo> docker(const std::string& id) const;
  [[nodiscard]] std::optional<ContainerInfo> containerd(const std::string& id) const;
  [[nodiscard]] std::optional<ContainerInfo> storage(const std::string& id) const;

  std::string root_;
};

}  // namespace shrike::enrich
