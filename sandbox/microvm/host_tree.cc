#include "sandbox/microvm/host_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace shrike::sandbox::microvm {
namespace {

constexpr size_t nodes_most = 1'000'000;
constexpr uint32_t everyone_reads = 0004, everyone_enters = 0001;
constexpr uint64_t second_ns = 1'000'000'000;

uint32_t type_of(unsigned char kind) {
  switch (kind) {
    case DT_DIR:
      return S_IFDIR;
    case DT_REG:
      return S_IFREG;
    case DT_LNK:
      return S_IFLNK;
    default:
      return 0;
  }
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

Error refusal(const std::string& path, int code) { return errno_error("/" + path, code); }

}  // namespace

Result<HostTree> HostTree::open(const HostView& view) {
  Fd root(::open(view.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return errno_error(view.root);
  HostTree tree(std::move(root));
  tree.add("", S_IFDIR, true);
  for (const std::string& path : view.paths) tree.show(path.substr(path.find_first_not_of('/')));
  return tree;
}

// Makes the folders above, and the entry itself where the host has it.
void HostTree::show(const std::string& path) {
  const Fd at = open_below(path, O_PATH);
  struct stat status {};
  if (!at.valid() || ::fstat(at.get(), &status) != 0) return;
  size_t folder = 0;
  for (size_t begin = 0;;) {
    const size_t slash = path.find('/', begin);
    const std::string name = path.substr(begin, slash - begin), to = path.substr(0, slash);
    const bool last = slash == std::string::npos;
    auto& entries = nodes_[folder].entries;
    const auto found = std::ranges::find(entries, name, &TreeEntry::name);
    if (found != entries.end()) {
      folder = found->number - tree_root;
    } else {
      const uint32_t type = last ? status.st_mode & S_IFMT : S_IFDIR;
      TreeEntry entry;
      entry.number = add(to, type, !last);
      entry.name = name;
      entry.mode = type;
      nodes_[folder].entries.push_back(entry);
      folder = entry.number - tree_root;
    }
    if (last) return;
    begin = slash + 1;
  }
}

uint64_t HostTree::add(std::string path, uint32_t type, bool made_up) {
  nodes_.push_back({std::move(path), type, made_up, made_up, {}});
  return nodes_.size() - 1 + tree_root;
}

Result<HostTree::Node*> HostTree::find(uint64_t number) {
  if (number < tree_root || number - tree_root >= nodes_.size())
    return Error{"no entry " + std::to_string(number) + " was given out", ENOENT};
  return &nodes_[number - tree_root];
}

Fd HostTree::open_below(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how)));
}

Result<const std::vector<TreeEntry>*> HostTree::list(uint64_t folder) {
  Node* node = TRY(find(folder));
  if (node->type != S_IFDIR) return refusal(node->path, ENOTDIR);
  if (node->listed) return &node->entries;
  Fd at = open_below(node->path, O_RDONLY | O_DIRECTORY);
  struct stat status {};
  if (!at.valid() || ::fstat(at.get(), &status) != 0) return errno_error("/" + node->path);
  if ((status.st_mode & everyone_reads) == 0) return refusal(node->path, EACCES);
  const std::unique_ptr<DIR, CloseFolder> open(::fdopendir(at.get()));
  if (!open) return errno_error("/" + node->path);
  static_cast<void>(at.release());
  std::vector<TreeEntry> entries;
  const std::string above = node->path.empty() ? "" : node->path + "/";
  while (const dirent* one = ::readdir(open.get())) {
    TreeEntry entry;
    entry.name = one->d_name;
    entry.mode = type_of(one->d_type);
    if (entry.mode == 0 || entry.name == "." || entry.name == "..") continue;
    if (nodes_.size() >= nodes_most) return refusal(above, ENFILE);
    if (entries.size() == tree_names_max) break;
    entry.number = add(above + entry.name, entry.mode, false);
    entries.push_back(std::move(entry));
  }
  node = TRY(find(folder));  // where it lies has changed
  node->entries = std::move(entries);
  node->listed = true;
  return &node->entries;
}

Result<TreeEntry> HostTree::look(uint64_t number) {
  const Node& node = *TRY(find(number));
  TreeEntry entry;
  entry.number = number;
  if (node.made_up) {
    entry.mode = S_IFDIR | 0755;
    return entry;
  }
  const Fd at = open_below(node.path, O_PATH);
  struct stat status {};
  if (!at.valid() || ::fstat(at.get(), &status) != 0) return errno_error("/" + node.path);
  if ((status.st_mode & S_IFMT) != node.type) return refusal(node.path, ENOENT);
  entry.mode = status.st_mode;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.size_bytes = static_cast<uint64_t>(status.st_size);
  entry.mtime_ns =
      static_cast<uint64_t>(status.st_mtim.tv_sec) * second_ns + static_cast<uint64_t>(status.st_mtim.tv_nsec);
  if (node.type == S_IFLNK) {
    char target[4096];
    const ssize_t bytes = ::readlinkat(at.get(), "", target, sizeof target);
    if (bytes < 0) return errno_error("/" + node.path);
    entry.target.assign(target, static_cast<size_t>(bytes));
  }
  return entry;
}

Result<Fd> HostTree::open_file(uint64_t number) {
  const Node& node = *TRY(find(number));
  if (node.type != S_IFREG) return refusal(node.path, EISDIR);
  // Not blocking: it may have become a pipe since it was listed.
  Fd file = open_below(node.path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return errno_error("/" + node.path);
  if (!S_ISREG(status.st_mode)) return refusal(node.path, ENOENT);
  if ((status.st_mode & everyone_reads) == 0) return refusal(node.path, EACCES);
  return file;
}

}  // namespace shrike::sandbox::microvm
