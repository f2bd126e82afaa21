// Names that come and go: link, unlink, rename.

#include <fcntl.h>
#include <linux/fs.h>

#include <cerrno>

#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {

namespace {

TreeFolder* tree_folder(const NodePtr& node) { return dynamic_cast<TreeFolder*>(node.get()); }

bool is_plain(const Found& found) { return !found.name.empty() && found.name != "." && found.name != ".."; }

/// Whether `node` is `folder` or something above it.
bool is_above(const NodePtr& node, const NodePtr& folder) {
  for (NodePtr at = folder; at; at = at->parent())
    if (at == node) return true;
  return false;
}

}  // namespace

int64_t FileSystem::link(const NodePtr& node, const Found& to) {
  if (!to.node && to.slash) return -ENOENT;
  if (const int64_t error = may_make(to); error < 0) return error;
  if (node->volume() != to.folder->volume()) return -EXDEV;
  if (node->is_folder()) return -EPERM;
  if (node->names().empty() && (!node->unlinkable || node->last_path().find("/#") == std::string::npos)) return -ENOENT;
  auto* folder = tree_folder(to.folder);
  if (folder == nullptr) return -EPERM;
  if (!node->names().empty() && !store_->account->nodes.take(1)) return -ENOSPC;
  folder->insert(to.name, node);
  node->changed = true;
  node->change_attributes();
  return 0;
}

int64_t FileSystem::unlink(const Found& found, bool folder) {
  if (folder && !is_plain(found)) return found.name == "." ? -EINVAL : found.name == ".." ? -ENOTEMPTY : -EBUSY;
  if (!is_plain(found)) return -EISDIR;
  if (!found.node) return -ENOENT;
  const NodePtr& node = found.node;
  auto* in = tree_folder(found.folder);
  if (in == nullptr) return -EPERM;
  if (folder) {
    if (!node->is_folder()) return -ENOTDIR;
    if (node->pinned) return -EBUSY;
    auto* doomed = tree_folder(node);
    if (doomed == nullptr) return -EBUSY;
    if (!doomed->empty()) return -ENOTEMPTY;
  } else {
    if (node->is_folder()) return -EISDIR;
    if (found.slash) return -ENOTDIR;
    if (node->pinned) return -EBUSY;
    if (node->names().size() > 1) store_->account->nodes.give_back(1);
  }
  in->erase(found.name, path_in(*in, found.name));
  return 0;
}

int64_t FileSystem::check_rename(const Found& from, const Found& to, uint32_t flags) const {
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 || (exchange && (flags & RENAME_NOREPLACE) != 0))
    return -EINVAL;
  if (from.folder->volume() != to.folder->volume()) return -EXDEV;
  if (!is_plain(from)) return -EBUSY;
  if (!is_plain(to)) return (flags & RENAME_NOREPLACE) != 0 ? -EEXIST : -EBUSY;
  if (!from.node) return -ENOENT;
  if ((flags & RENAME_NOREPLACE) != 0 && to.node) return -EEXIST;
  if (exchange && !to.node) return -ENOENT;
  if (exchange && to.slash && !to.node->is_folder()) return -ENOTDIR;
  if (!from.node->is_folder() && (from.slash || (!exchange && to.slash))) return -ENOTDIR;
  if (from.node->is_folder() && is_above(from.node, to.folder)) return -EINVAL;
  if (to.node && to.node->is_folder() && is_above(to.node, from.folder)) return exchange ? -EINVAL : -ENOTEMPTY;
  return 0;
}

int64_t FileSystem::rename(const Found& from, const Found& to, uint32_t flags) {
  if (const int64_t error = check_rename(from, to, flags); error < 0) return error;
  const NodePtr node = from.node, other = to.node;
  if (node == other) return 0;
  auto* source = tree_folder(from.folder);
  auto* target = tree_folder(to.folder);
  if (source == nullptr || target == nullptr) return -EPERM;
  if (const int64_t error = target->changeable(); error < 0) return error;
  if (node->volume() != target->volume() || (other && other->volume() != source->volume())) return -EBUSY;
  const bool exchange = (flags & RENAME_EXCHANGE) != 0;
  if (other && !exchange) {
    if (node->is_folder() && !other->is_folder()) return -ENOTDIR;
    if (!node->is_folder() && other->is_folder()) return -EISDIR;
  }
  if (node->pinned || (other && other->pinned)) return -EBUSY;
  if (other && !exchange) {
    auto* doomed = tree_folder(other);
    if (doomed != nullptr && !doomed->empty()) return -ENOTEMPTY;
    if (!other->is_folder() && other->names().size() > 1) store_->account->nodes.give_back(1);
  }
  if (other) target->erase(to.name, path_in(*target, to.name));
  source->erase(from.name, {});
  target->insert(to.name, node);
  if (exchange) source->insert(from.name, other);
  if (node->is_file()) node->changed = true;
  return 0;
}

}  // namespace shrike::sandbox::microvm
