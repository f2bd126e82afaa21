#include "sandbox/microvm/host_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

namespace shrike::sandbox::microvm {
namespace {

constexpr size_t nodes_most = 1'000'000;
constexpr uint32_t everyone_reads = 0004, everyone_enters = 0001;
constexpr const char* usual_folders[] = {"usr", "usr/bin", "usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu", "etc"};
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

uint64_t time_of(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * second_ns + static_cast<uint64_t>(time.tv_nsec);
}

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
      auto& all = nodes_[folder].entries;
      all.insert(std::ranges::upper_bound(all, entry.name, {}, &TreeEntry::name), entry);
      folder = entry.number - tree_root;
    }
    if (last) return;
    begin = slash + 1;
  }
}

uint64_t HostTree::add(std::string path, uint32_t type, bool made_up) {
  Node& node = nodes_.emplace_back();
  node.path = std::move(path);
  node.type = type;
  node.made_up = node.listed = made_up;
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
  if ((status.st_mode & everyone_reads) == 0 || (status.st_mode & everyone_enters) == 0)
    return refusal(node->path, EACCES);
  const std::unique_ptr<DIR, CloseFolder> open(::fdopendir(at.get()));
  if (!open) return errno_error("/" + node->path);
  static_cast<void>(at.release());
  std::vector<TreeEntry> entries;
  std::map<std::string, uint64_t> before;
  for (const TreeEntry& entry : node->entries) before.emplace(entry.name, entry.number);
  const std::string above = node->path.empty() ? "" : node->path + "/";
  while (const dirent* one = ::readdir(open.get())) {
    TreeEntry entry;
    entry.name = one->d_name;
    entry.mode = type_of(one->d_type);
    if (entry.mode == 0 || entry.name == "." || entry.name == "..") continue;
    if (nodes_.size() >= nodes_most) return refusal(above, ENFILE);
    if (entries.size() == tree_names_max) break;
    const auto known = before.find(entry.name);
    entry.number = known != before.end() && nodes_[known->second - tree_root].type == entry.mode
                       ? known->second
                       : add(above + entry.name, entry.mode, false);
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, {}, &TreeEntry::name);
  node = TRY(find(folder));  // where it lies has changed
  node->entries = std::move(entries);
  listed_.insert(folder - tree_root);
  node->listed = true;
  node->listed_ns = time_of(status.st_mtim);
  return &node->entries;
}

Result<TreeEntry> HostTree::look(uint64_t number) {
  Node& node = *TRY(find(number));
  TreeEntry entry;
  entry.number = number;
  if (node.made_up) {
    entry.mode = S_IFDIR | 0755;
    node.known = entry;
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
  entry.mtime_ns = time_of(status.st_mtim);
  if (node.type == S_IFLNK) {
    char target[4096];
    const ssize_t bytes = ::readlinkat(at.get(), "", target, sizeof target);
    if (bytes < 0) return errno_error("/" + node.path);
    entry.target.assign(target, static_cast<size_t>(bytes));
  }
  // Files may be changed where they are; folders and links are replaced.
  if (node.type != S_IFREG) node.known = entry;
  return entry;
}

std::optional<uint64_t> HostTree::number_of(std::string_view path) {
  uint64_t number = tree_root;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const auto entries = list(number);
    if (!entries) return std::nullopt;
    const auto found = std::ranges::find(*entries.value(), path.substr(0, slash), &TreeEntry::name);
    if (found == entries.value()->end()) return std::nullopt;
    number = found->number;
    path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  }
  return number;
}

void HostTree::warm() {
  // Links at the top: a path of nearly every program begins with one.
  const std::vector<TreeEntry> top = nodes_[0].entries;
  for (const TreeEntry& entry : top) static_cast<void>(look(entry.number));
  static_cast<void>(look(tree_root));
  for (const char* folder : usual_folders) {
    const auto number = number_of(folder);
    if (!number || !list(*number)) continue;
    static_cast<void>(look(*number));
  }
}

void HostTree::refresh() {
  for (const size_t index : listed_) {
    Node& node = nodes_[index];
    if (!node.listed) continue;
    const Fd at = open_below(node.path, O_PATH);
    struct stat status {};
    if (at.valid() && ::fstat(at.get(), &status) == 0 && time_of(status.st_mtim) == node.listed_ns) continue;
    node.listed = false;
    // An entry that was replaced by another has no other name: all of them are looked at again.
    for (const TreeEntry& entry : node.entries) nodes_[entry.number - tree_root].known.reset();
    node.known.reset();
  }
}

const std::vector<TreeEntry>* HostTree::listed(uint64_t folder) const {
  if (folder < tree_root || folder - tree_root >= nodes_.size()) return nullptr;
  const Node& node = nodes_[folder - tree_root];
  return node.listed ? &node.entries : nullptr;
}

const TreeEntry* HostTree::looked(uint64_t number) const {
  if (number < tree_root || number - tree_root >= nodes_.size()) return nullptr;
  const auto& known = nodes_[number - tree_root].known;
  return known ? &*known : nullptr;
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
