// memfd_create and seals.

#include <fcntl.h>
#include <linux/memfd.h>

#include <cerrno>

#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint32_t all_seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
constexpr unsigned noexec_seal = 0x0008u, exec = 0x0010u;  // MFD_NOEXEC_SEAL, MFD_EXEC: newer than Debian 12's headers

FileNode* memory_node(const NodePtr& node) {
  return node->volume() == Volume::memory ? dynamic_cast<FileNode*>(node.get()) : nullptr;
}

}  // namespace

int64_t make_memory_file(const StorePtr& store, std::string_view name, unsigned flags, FilePtr& out) {
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | noexec_seal | exec)) != 0) return -EINVAL;
  if ((flags & noexec_seal) != 0 && (flags & exec) != 0) return -EINVAL;
  if (name.size() > 249) return -EINVAL;
  auto node = FileNode::nameless(store, (flags & noexec_seal) != 0 ? 0666 : 0777, Volume::memory);
  if (!node) return -ENOSPC;
  node->set_own_name("/memfd:" + std::string(name) + " (deleted)");
  if ((flags & (MFD_ALLOW_SEALING | noexec_seal)) != 0) node->seals = 0;
  if (const int64_t error = node->open(O_RDWR, out); error < 0) return error;
  return 0;
}

int64_t add_seals(File& file, uint32_t seals, bool mapped) {
  FileNode* node = memory_node(file.node());
  if (node == nullptr || (seals & ~all_seals) != 0) return -EINVAL;
  if (!file.writable() || (node->seals & F_SEAL_SEAL) != 0) return -EPERM;
  if (mapped && (seals & F_SEAL_WRITE) != 0) return -EBUSY;
  node->seals |= seals;
  return 0;
}

int64_t get_seals(const File& file) {
  const FileNode* node = memory_node(file.node());
  return node == nullptr ? -EINVAL : static_cast<int64_t>(node->seals);
}

}  // namespace shrike::sandbox::microvm
