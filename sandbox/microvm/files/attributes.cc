// What is changed of a file without its name or content: modes, owners, times, extended attributes.

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t attribute_overhead = 64;  // what the map's node costs, about
constexpr size_t attribute_list_max = 65536;

/// -EOPNOTSUPP or -EPERM for names that this node cannot have.
int64_t check_name(const Node& node, std::string_view name) {
  if (name.empty() || name.size() > 255) return -ERANGE;
  if (name.starts_with("user.") && name.size() > 5) return node.is_file() || node.is_folder() ? 0 : -EPERM;
  if (name.starts_with("trusted.") || name.starts_with("security.")) return 0;
  return -EOPNOTSUPP;
}

}  // namespace

int64_t FileSystem::status(const Node& node, struct ::stat& out) const {
  node.status(out);
  return 0;
}

int64_t FileSystem::statistics(const Node& node, struct ::statfs& out) const {
  out = {};
  out.f_bsize = out.f_frsize = 4096;
  out.f_namelen = 255;
  out.f_fsid.__val[0] = static_cast<int>(node.volume());
  switch (node.volume()) {
    case Volume::processes:
      out.f_type = PROC_SUPER_MAGIC;
      return 0;
    case Volume::system:
      out.f_type = SYSFS_MAGIC;
      return 0;
    case Volume::pipes:
      out.f_type = PIPEFS_MAGIC;
      return 0;
    case Volume::sockets:
      out.f_type = SOCKFS_MAGIC;
      return 0;
    case Volume::anonymous:
      out.f_type = ANON_INODE_FS_MAGIC;
      return 0;
    case Volume::devices:
    case Volume::memory:
      out.f_type = TMPFS_MAGIC;
      break;
    case Volume::root:
      out.f_type = EXT4_SUPER_MAGIC;
      break;
  }
  // A disk as hosts have it, of which so much is free as the quota leaves.
  const Account& account = *store_->account;
  out.f_blocks = 10'000'000 + account.bytes.limit() / 4096;
  out.f_bfree = out.f_bavail = account.bytes.left() / 4096;
  out.f_files = 2'500'000 + account.nodes.limit();
  out.f_ffree = account.nodes.left();
  return 0;
}

int64_t FileSystem::access(const Node& node, int mode) const {
  if ((mode & ~(R_OK | W_OK | X_OK)) != 0) return -EINVAL;
  if ((mode & X_OK) != 0 && !node.is_folder() && (node.attributes().mode & 0111) == 0) return -EACCES;
  return 0;
}

int64_t FileSystem::read_link(const Node& node, std::string& out) const {
  if (node.is_link())
    if (const NodePtr to = node.goes_to()) {
      out = path_of(*to);
      return 0;
    }
  return node.target(out);
}

int64_t FileSystem::change_mode(Node& node, uint32_t mode) {
  if (node.is_link()) return -EOPNOTSUPP;
  Attributes& attributes = node.change_attributes();
  attributes.mode = (attributes.mode & S_IFMT) | (mode & 07777);
  return 0;
}

int64_t FileSystem::change_owner(Node& node, uint32_t uid, uint32_t gid) {
  Attributes& attributes = node.change_attributes();
  if (uid != UINT32_MAX) attributes.uid = uid;
  if (gid != UINT32_MAX) attributes.gid = gid;
  // Also root's chown takes these from a program.
  if (!node.is_folder()) attributes.mode &= ~S_ISUID;
  if (!node.is_folder() && (attributes.mode & S_IXGRP) != 0) attributes.mode &= ~S_ISGID;
  return 0;
}

int64_t FileSystem::change_times(Node& node, const struct timespec times[2]) {
  for (int i = 0; i < 2; ++i) {
    const long ns = times[i].tv_nsec;
    if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns >= 1'000'000'000)) return -EINVAL;
  }
  if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return 0;
  Attributes& attributes = node.change_attributes();
  uint64_t* const fields[2] = {&attributes.accessed_ns, &attributes.modified_ns};
  for (int i = 0; i < 2; ++i) {
    if (times[i].tv_nsec == UTIME_OMIT) continue;
    if (times[i].tv_nsec == UTIME_NOW) {
      *fields[i] = store_->now();
      continue;
    }
    // What 64 bits of nanoseconds cannot tell is kept at their ends, as file systems do with theirs.
    const int64_t s = times[i].tv_sec;
    *fields[i] = s < 0 ? 0
                 : s > 18'000'000'000
                     ? uint64_t{18'000'000'000} * 1'000'000'000
                     : static_cast<uint64_t>(s) * 1'000'000'000 + static_cast<uint64_t>(times[i].tv_nsec);
  }
  return 0;
}

int64_t FileSystem::set_attribute(Node& node, std::string_view name, std::string_view value, int flags) {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0) return -EINVAL;
  if (value.size() > XATTR_SIZE_MAX) return -E2BIG;
  if (const int64_t error = check_name(node, name); error < 0) return error;
  if (node.volume() == Volume::processes || node.volume() == Volume::system) return -EOPNOTSUPP;
  auto& all = node.extended();
  const auto known = all.find(name);
  if ((flags & XATTR_CREATE) != 0 && known != all.end()) return -EEXIST;
  if ((flags & XATTR_REPLACE) != 0 && known == all.end()) return -ENODATA;
  size_t listed = 0;
  for (const auto& [other, text] : all) listed += other.size() + 1;
  if (known == all.end() && listed + name.size() + 1 > attribute_list_max) return -ENOSPC;
  Budget& bytes = store_->account->bytes;
  if (!bytes.take(name.size() + value.size() + attribute_overhead)) return -ENOSPC;
  if (known != all.end()) {
    bytes.give_back(known->first.size() + known->second.size() + attribute_overhead);
    known->second = value;
  } else {
    all.emplace(name, value);
  }
  node.change_attributes();
  return 0;
}

int64_t FileSystem::get_attribute(const Node& node, std::string_view name, std::string& out) const {
  if (const int64_t error = check_name(node, name); error < 0) return error == -EPERM ? -ENODATA : error;
  const auto known = node.extended().find(name);
  if (known == node.extended().end()) return -ENODATA;
  out = known->second;
  return 0;
}

int64_t FileSystem::list_attributes(const Node& node, std::string& out) const {
  out.clear();
  for (const auto& [name, value] : node.extended()) out.append(name).push_back('\0');
  return 0;
}

int64_t FileSystem::remove_attribute(Node& node, std::string_view name) {
  if (const int64_t error = check_name(node, name); error < 0) return error;
  const auto known = node.extended().find(name);
  if (known == node.extended().end()) return -ENODATA;
  store_->account->bytes.give_back(known->first.size() + known->second.size() + attribute_overhead);
  node.extended().erase(known);
  node.change_attributes();
  return 0;
}

}  // namespace shrike::sandbox::microvm
