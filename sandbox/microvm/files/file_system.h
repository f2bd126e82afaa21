#pragma once
// The tree that the guest sees: a read-only one below, what it writes in memory above, within a quota. Paths are the
// guest's and are resolved here, over nodes, never by the host. The guest is root: modes are kept and shown, not held
// against it.

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/microvm/files/file.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/report.h"

namespace shrike::sandbox::microvm {

/// Where relative paths begin, and what "/" is (chroot).
struct Place {
  std::shared_ptr<Node> root;
  std::shared_ptr<Node> cwd;
};

/// What a path leads to. `node` is null where nothing has that name in `folder`.
struct Found {
  std::shared_ptr<Node> folder;
  std::string name;
  std::shared_ptr<Node> node;
};

struct FileQuota {
  uint64_t bytes = 64u << 20;  ///< of everything written
  uint32_t nodes = 4096;       ///< made
};

/// Virtual CLOCK_REALTIME in nanoseconds, for times of files.
using Now = std::function<uint64_t()>;

class FileSystem {
 public:
  FileSystem(std::unique_ptr<Tree> lower, FileQuota quota, Now now);
  ~FileSystem();

  [[nodiscard]] std::shared_ptr<Node> root() const;
  /// Follows `path` from `place` (or from `base`, a folder of openat's). `follow`: also a link at its end. -ENOENT only
  /// where something before the end is missing; -ELOOP after 40 links; -ENAMETOOLONG.
  int64_t resolve(const Place& place, const std::shared_ptr<Node>& base, std::string_view path, bool follow,
                  Found& out);
  /// Absolute path of a node from the tree's root, " (deleted)" behind one without a name.
  [[nodiscard]] std::string path_of(const Node& node) const;

  /// open(2) of what resolve() found. `flags`: O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_PATH, O_TMPFILE ...
  int64_t open(const Found& found, int flags, uint32_t mode, FilePtr& out);
  int64_t make_folder(const Found& found, uint32_t mode);
  int64_t make_node(const Found& found, uint32_t mode, uint64_t device);
  int64_t make_link(const Found& found, std::string_view target);
  int64_t link(const std::shared_ptr<Node>& node, const Found& to);
  int64_t unlink(const Found& found, bool folder);
  int64_t rename(const Found& from, const Found& to, uint32_t flags);
  int64_t status(const Node& node, struct ::stat& out) const;
  int64_t read_link(const Node& node, std::string& out) const;
  int64_t change_mode(Node& node, uint32_t mode);
  int64_t change_owner(Node& node, uint32_t uid, uint32_t gid);
  int64_t change_times(Node& node, const struct timespec times[2]);
  int64_t truncate(Node& node, uint64_t length);
  int64_t set_attribute(Node& node, std::string_view name, std::string_view value, int flags);
  int64_t get_attribute(const Node& node, std::string_view name, std::string& out) const;
  int64_t list_attributes(const Node& node, std::string& out) const;  ///< NUL behind each
  int64_t remove_attribute(Node& node, std::string_view name);
  /// The whole content, for exec and mmap; -EISDIR and the like.
  int64_t read(const Node& node, uint64_t at, std::span<std::byte> out) const;

  /// Puts a file in, with the folders above it: job files, the program. Counts against nothing.
  int64_t put(std::string_view path, uint32_t mode, std::string bytes);
  /// What the guest has made or changed and not removed, with hashes, `most` at most; `dropped` counts the rest.
  [[nodiscard]] std::vector<Artefact> artefacts(size_t most, uint64_t& dropped) const;
  [[nodiscard]] uint64_t written_bytes() const;
};

}  // namespace shrike::sandbox::microvm
