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

  /// Null when no runtime has a file about it that can be understood. A tenth of a millisecond with files of usual
  /// size, 25 ms for each MiB; no file is larger than two.
  [[nodiscard]] std::shared_ptr<const ContainerInfo> find(const Container& container);
  /// Read so far: what all this has cost.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] std::optional<ContainerInfo> docker(const std::string& id);
  [[nodiscard]] std::optional<ContainerInfo> containerd(const std::string& id);
  [[nodiscard]] std::optional<ContainerInfo> storage(const std::string& id);
  struct File {
    std::string text;
    uint64_t modified_ns = 0;
  };
  /// A plain file of at most `limit` bytes; empty when there is none. Never waits: not for a pipe's other end.
  File read(const std::string& path, size_t limit);
  static std::optional<ContainerInfo> of_bundle(const File& spec, const File& sandbox);

  std::string root_;
  uint64_t bytes_ = 0;
};

}  // namespace shrike::enrich
