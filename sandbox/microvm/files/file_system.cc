#include "sandbox/microvm/files/file_system.h"

#include <fcntl.h>

#include <cerrno>

#include "sandbox/microvm/files/pipe.h"

namespace shrike::sandbox::microvm {

FileSystem::FileSystem(std::unique_ptr<Tree> lower, FileQuota quota, Now now) {
  store_ = std::make_shared<Store>();
  store_->lower = std::move(lower);
  store_->account = std::make_shared<Account>(quota);
  store_->now = std::move(now);
  store_->random = [state = uint64_t{1}](std::span<std::byte> out) mutable {
    for (std::byte& byte : out) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<std::byte>(state >> 56);
    }
  };
  root_ = std::make_shared<TreeFolder>(store_, S_IFDIR | 0755);
  root_->lower_ = root_->unloaded_ = tree_root;
  root_->pinned = true;
}

FileSystem::~FileSystem() = default;

void FileSystem::use_clock(Now now) { store_->now = std::move(now); }

void FileSystem::use_random(std::function<void(std::span<std::byte>)> random) { store_->random = std::move(random); }

NodePtr FileSystem::root() const { return root_; }

int64_t FileSystem::may_make(const Found& found) const {
  if (found.name.empty() || found.name == "." || found.name == ".." || found.node) return -EEXIST;
  return static_cast<const Folder&>(*found.folder).changeable();
}

int64_t FileSystem::enter(const Found& found, const NodePtr& node) {
  auto* folder = dynamic_cast<TreeFolder*>(found.folder.get());
  if (folder == nullptr) return -EPERM;
  NodePtr there;
  if (const int64_t error = folder->find(found.name, there); error < 0) return error;
  if (there) return -EEXIST;
  node->share_ = Share::of(store_->account, &Account::nodes);
  if (!node->share_) return -ENOSPC;
  node->attributes_.uid = found.owner.uid;
  node->attributes_.gid = found.owner.gid;
  node->changed = true;
  node->volume_ = folder->volume();
  folder->insert(found.name, node);
  return 0;
}

int64_t FileSystem::open_at(const Place& place, const NodePtr& base, std::string_view path, int flags, uint32_t mode,
                            FilePtr& out, Found* found) {
  if ((flags & O_PATH) != 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
  if ((flags & O_TMPFILE) == O_TMPFILE && (flags & O_ACCMODE) == O_RDONLY) return -EINVAL;
  Found own;
  Found& to = found != nullptr ? *found : own;
  const bool creates = (flags & O_CREAT) != 0;
  const bool follow = (flags & O_NOFOLLOW) == 0 && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  const End end = follow ? (creates ? End::create : End::follow) : (creates ? End::name : End::keep);
  if (const int64_t error = walk(place, base, path, end, to); error < 0) return error;
  const bool plain = !to.name.empty() && to.name != "." && to.name != "..";
  if (creates && to.slash && plain) return -EISDIR;
  return open(to, flags, mode, out);
}

int64_t FileSystem::open(const Found& found, int flags, uint32_t mode, FilePtr& out) {
  const NodePtr& node = found.node;
  const int kept = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
  if ((flags & O_PATH) != 0) {
    if (!node) return -ENOENT;
    if ((flags & O_DIRECTORY) != 0 && !node->is_folder()) return -ENOTDIR;
    out = path_file(node, flags);
    return 0;
  }
  if ((flags & O_TMPFILE) == O_TMPFILE) return open_temporary(found, flags, mode, out);
  if ((flags & O_CREAT) != 0 && (flags & O_DIRECTORY) != 0) return -EINVAL;
  if (!node) return (flags & O_CREAT) != 0 ? open_new(found, kept, mode, out) : -ENOENT;
  if ((flags & O_CREAT) != 0) {
    if ((flags & O_EXCL) != 0) return -EEXIST;
    if (node->is_folder()) return -EISDIR;
  }
  if ((flags & O_DIRECTORY) != 0 && !node->is_folder()) return -ENOTDIR;
  if (node->is_link()) return -ELOOP;
  if (node->is_folder() && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)) return -EISDIR;
  if (node->type() == S_IFSOCK) return -ENXIO;
  if (const int64_t error = node->open(kept, out); error < 0) return error;
  if ((flags & O_TRUNC) != 0 && node->is_file()) return truncate(*node, 0);
  return 0;
}

int64_t FileSystem::open_new(const Found& found, int flags, uint32_t mode, FilePtr& out) {
  if (found.slash) return -EISDIR;
  if (const int64_t error = may_make(found); error < 0) return error;
  auto node = std::make_shared<FileNode>(store_, mode & 07777);
  if (const int64_t error = enter(found, node); error < 0) return error;
  return node->open(flags, out);
}

int64_t FileSystem::open_temporary(const Found& found, int flags, uint32_t mode, FilePtr& out) {
  if ((flags & O_ACCMODE) == O_RDONLY) return -EINVAL;
  if (!found.node) return -ENOENT;
  if (!found.node->is_folder()) return -ENOTDIR;
  if (dynamic_cast<TreeFolder*>(found.node.get()) == nullptr) return -EOPNOTSUPP;
  auto node = FileNode::nameless(store_, mode & 07777, found.node->volume());
  if (!node) return -ENOSPC;
  node->attributes_.uid = found.owner.uid;
  node->attributes_.gid = found.owner.gid;
  node->unlinkable = (flags & O_EXCL) == 0;
  node->last_path_ = path_in(*found.node, "#" + std::to_string(node->number()));
  return node->open(flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC), out);
}

int64_t FileSystem::make_folder(const Found& found, uint32_t mode) {
  if (const int64_t error = may_make(found); error < 0) return error;
  return enter(found, std::make_shared<TreeFolder>(store_, S_IFDIR | (mode & 01777)));
}

int64_t FileSystem::make_node(const Found& found, uint32_t mode, uint64_t device) {
  if (!found.node && found.slash) return -ENOENT;
  if (const int64_t error = may_make(found); error < 0) return error;
  switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
      return enter(found, std::make_shared<FileNode>(store_, mode & 07777));
    case S_IFIFO:
      return enter(found, std::make_shared<PipeNode>(store_, mode & 07777));
    case S_IFSOCK:
      return enter(found, std::make_shared<Node>(store_, S_IFSOCK | (mode & 07777)));
    case S_IFCHR:
    case S_IFBLK:
      return enter(found, std::make_shared<DeviceNode>(store_, mode & (S_IFMT | 07777), device));
    case S_IFDIR:
      return -EPERM;
    default:
      return -EINVAL;
  }
}

int64_t FileSystem::make_name(const Found& found, const NodePtr& node) {
  if (!found.node && found.slash) return -ENOENT;
  if (const int64_t error = may_make(found); error < 0) return error;
  return enter(found, node);
}

int64_t FileSystem::make_link(const Found& found, std::string_view target) {
  if (target.empty()) return -ENOENT;
  if (target.size() > 4095) return -ENAMETOOLONG;
  if (!found.node && found.slash) return -ENOENT;
  if (const int64_t error = may_make(found); error < 0) return error;
  auto node = std::make_shared<LinkNode>(store_, std::string(target));
  if (!store_->account->bytes.take(target.size())) return -ENOSPC;
  node->taken_ = target.size();
  return enter(found, node);
}

}  // namespace shrike::sandbox::microvm
