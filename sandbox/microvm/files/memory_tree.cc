#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

namespace {

class MemoryTree final : public Tree {
 public:
  MemoryTree() : nodes_(1) {
    nodes_[0].entry.number = tree_root;
    nodes_[0].entry.mode = S_IFDIR | 0755;
  }

  void add(std::string_view path, std::string_view content) {
    size_t at = 0;
    while (!path.empty()) {
      const size_t slash = path.find('/');
      const std::string_view name = path.substr(0, slash);
      path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
      if (name.empty()) continue;
      at = child(at, std::string(name), slash != std::string_view::npos, content);
    }
  }

  Result<std::vector<TreeEntry>> list(uint64_t folder) override {
    const Node* node = find(folder, S_IFDIR);
    if (node == nullptr) return Error{"no folder " + std::to_string(folder) + " in this tree", ENOENT};
    std::vector<TreeEntry> out;
    for (const auto& [name, index] : node->children) {
      TreeEntry entry;
      entry.number = index + 1;
      entry.name = name;
      entry.mode = nodes_[index].entry.mode & S_IFMT;
      out.push_back(std::move(entry));
    }
    return out;
  }

  Result<TreeEntry> look(uint64_t number) override {
    if (number < 1 || number > nodes_.size()) return Error{"no entry " + std::to_string(number), ENOENT};
    return nodes_[number - 1].entry;
  }

  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
    const Node* node = find(file, S_IFREG);
    if (node == nullptr) return Error{"no file " + std::to_string(file) + " in this tree", ENOENT};
    if (at >= node->content.size()) return size_t{0};
    const auto bytes = std::as_bytes(std::span(node->content)).subspan(at);
    const size_t count = std::min(bytes.size(), out.size());
    std::copy_n(bytes.begin(), count, out.begin());
    return count;
  }

 private:
  struct Node {
    TreeEntry entry;
    std::string content;
    std::map<std::string, size_t> children;
  };

  size_t child(size_t parent, std::string name, bool folder, std::string_view content) {
    if (const auto known = nodes_[parent].children.find(name); known != nodes_[parent].children.end())
      return known->second;
    const size_t index = nodes_.size();
    Node& node = nodes_.emplace_back();
    node.entry.number = index + 1;
    if (folder) {
      node.entry.mode = S_IFDIR | 0755;
    } else if (content.starts_with("->")) {
      node.entry.mode = S_IFLNK | 0777;
      node.entry.target = content.substr(2);
      node.entry.size_bytes = node.entry.target.size();
    } else {
      node.entry.mode = S_IFREG | (content.starts_with("\177ELF") || content.starts_with("#!") ? 0755 : 0644);
      node.content = content;
      node.entry.size_bytes = content.size();
    }
    nodes_[parent].children.emplace(std::move(name), index);
    return index;
  }

  const Node* find(uint64_t number, uint32_t type) const {
    if (number < 1 || number > nodes_.size() || (nodes_[number - 1].entry.mode & S_IFMT) != type) return nullptr;
    return &nodes_[number - 1];
  }

  std::vector<Node> nodes_;  // number - 1 is the index
};

}  // namespace

std::unique_ptr<Tree> memory_tree(const std::vector<std::pair<std::string, std::string>>& entries) {
  auto tree = std::make_unique<MemoryTree>();
  for (const auto& [path, content] : entries) tree->add(path, content);
  return tree;
}

std::unique_ptr<Tree> empty_tree() { return std::make_unique<MemoryTree>(); }

}  // namespace shrike::sandbox::microvm
