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
#include "sandbox/microvm/files/node.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/report.h"

struct statfs;

namespace shrike::sandbox::microvm {

/// Where relative paths begin, what "/" is (chroot), and whose is what is made.
struct Place {
  NodePtr root;
  NodePtr cwd;
  Owner owner;
};

/// What a path leads to. `node` is null where nothing has that name in `folder`.
struct Found {
  NodePtr folder;
  std::string name;  ///< "" for the root, "." or ".." where the path ends so
  NodePtr node;
  bool slash = false;  ///< the path ends in "/"
  Owner owner;
};

class FileSystem {
 public:
  /// `now`: virtual CLOCK_REALTIME in nanoseconds.
  FileSystem(std::unique_ptr<Tree> lower, FileQuota quota, Now now);
  ~FileSystem();
  void use_clock(Now now);
  void use_random(std::function<void(std::span<std::byte>)> random);

  [[nodiscard]] NodePtr root() const;
  [[nodiscard]] const StorePtr& store() const { return store_; }
  [[nodiscard]] const std::shared_ptr<Account>& account() const { return store_->account; }

  /// Follows `path` from `place` (or from `base`, a folder of openat's). `follow`: also a link at its end; a path that
  /// ends in "/" is followed always and must lead to a folder, or to nothing. -ENOENT only where something before the
  /// end is missing, or the path is empty; -ENOTDIR; -ELOOP after 40 links; -ENAMETOOLONG; -EIO.
  int64_t resolve(const Place& place, const NodePtr& base, std::string_view path, bool follow, Found& out);
  /// The same for what makes, renames and removes names (make_*, link's new name, unlink, rename): the end is never
  /// followed, and may be a file whatever the path ends in: those calls judge that themselves.
  int64_t resolve_name(const Place& place, const NodePtr& base, std::string_view path, Found& out);
  /// Absolute path of a node from the tree's root; " (deleted)" behind one without a name; "pipe:[17]" and the like.
  [[nodiscard]] std::string path_of(const Node& node) const;
  /// The same of a name in a folder.
  [[nodiscard]] std::string path_in(const Node& folder, std::string_view name) const;

  /// openat(2), all of it: resolves as `flags` say. `found`, where given, tells what it led to. A file of a named pipe
  /// may have to wait: File::opened().
  int64_t open_at(const Place& place, const NodePtr& base, std::string_view path, int flags, uint32_t mode,
                  FilePtr& out, Found* found = nullptr);
  /// open(2) of what resolve() found. `flags`: O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_PATH, O_TMPFILE ...; `mode` has
  /// the umask taken off.
  int64_t open(const Found& found, int flags, uint32_t mode, FilePtr& out);
  int64_t make_folder(const Found& found, uint32_t mode);
  int64_t make_node(const Found& found, uint32_t mode, uint64_t device);
  int64_t make_link(const Found& found, std::string_view target);
  /// Puts a node, not made by the guest, where a path leads that has nothing yet: a bound socket.
  int64_t make_name(const Found& found, const NodePtr& node);
  int64_t link(const NodePtr& node, const Found& to);
  int64_t unlink(const Found& found, bool folder);
  int64_t rename(const Found& from, const Found& to, uint32_t flags);

  int64_t status(const Node& node, struct ::stat& out) const;
  int64_t statistics(const Node& node, struct ::statfs& out) const;
  /// As for root: only that a file can be executed at all.
  int64_t access(const Node& node, int mode) const;
  int64_t read_link(const Node& node, std::string& out) const;
  int64_t change_mode(Node& node, uint32_t mode);
  /// UINT32_MAX leaves one as it is.
  int64_t change_owner(Node& node, uint32_t uid, uint32_t gid);
  /// UTIME_NOW and UTIME_OMIT in tv_nsec as utimensat(2) has them.
  int64_t change_times(Node& node, const struct timespec times[2]);
  int64_t truncate(Node& node, uint64_t length);
  int64_t set_attribute(Node& node, std::string_view name, std::string_view value, int flags);
  int64_t get_attribute(const Node& node, std::string_view name, std::string& out) const;
  int64_t list_attributes(const Node& node, std::string& out) const;  ///< NUL behind each
  int64_t remove_attribute(Node& node, std::string_view name);
  /// Bytes of a regular file, for exec and mmap: how many, 0 at the end; -EISDIR, -EINVAL for what is none, -EIO.
  int64_t read(const Node& node, uint64_t at, std::span<std::byte> out) const;
  /// The same the other way, for shared mappings. -ENOSPC.
  int64_t write(Node& node, uint64_t at, std::span<const std::byte> in);

  /// Puts a file in, with the folders above it: job files, the program. Counts against nothing. Replaces what is there.
  /// -EINVAL: not an absolute path; -ENOTDIR; -EISDIR.
  int64_t put(std::string_view path, uint32_t mode, std::string bytes);
  /// The same of a file of the tree below, by its number there, which no folder of it need list.
  int64_t put_below(std::string_view path, uint32_t mode, uint64_t file, uint64_t size_bytes);
  /// The same for a folder, a link, a device; what has the name already goes.
  int64_t put_folder(std::string_view path, uint32_t mode);
  int64_t put_link(std::string_view path, std::string target);
  /// Puts any node; `mount`: it is on another volume, and cannot be removed.
  int64_t put_node(std::string_view path, NodePtr node, bool mount = false);

  /// What the guest has made or changed and not removed, with hashes: executable files first, then large ones, `most`
  /// at most; `dropped` counts the rest. Files are hashed up to 256 MiB each and 1 GiB all together, holes included; a
  /// larger one has an empty hash.
  [[nodiscard]] std::vector<Artefact> artefacts(size_t most, uint64_t& dropped) const;
  [[nodiscard]] uint64_t written_bytes() const { return store_->account->written_bytes; }

 private:
  /// What becomes of a link at the end: followed; kept, but for one with a slash behind; kept; followed, but for one
  /// with a slash behind.
  enum class End { follow, keep, name, create };
  int64_t walk(const Place& place, const NodePtr& base, std::string_view path, End end, Found& out);
  int64_t may_make(const Found& found) const;
  int64_t put_folders(std::string_view path, uint32_t mode);
  int64_t enter(const Found& found, const NodePtr& node);
  int64_t open_new(const Found& found, int flags, uint32_t mode, FilePtr& out);
  int64_t open_temporary(const Found& found, int flags, uint32_t mode, FilePtr& out);
  int64_t check_rename(const Found& from, const Found& to, uint32_t flags) const;

  StorePtr store_;
  std::shared_ptr<TreeFolder> root_;  // owners: this, and who has it as root or cwd
};

}  // namespace shrike::sandbox::microvm
