#include <sys/stat.h>

#include <cerrno>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

TreeFolder::~TreeFolder() {
  // A deep tree must not be taken down by recursion.
  std::vector<NodePtr> doomed;
  for (auto& [name, child] : children_) doomed.push_back(std::move(child.node));
  while (!doomed.empty()) {
    const NodePtr node = std::move(doomed.back());
    doomed.pop_back();
    auto* folder = node.use_count() == 1 && node->is_folder() ? dynamic_cast<TreeFolder*>(node.get()) : nullptr;
    if (folder == nullptr) continue;
    for (auto& [name, child] : folder->children_) doomed.push_back(std::move(child.node));
    folder->positions_.clear();
    folder->children_.clear();
  }
}

void TreeFolder::look(const TreeEntry&) { from_below_ = true; }

int64_t TreeFolder::load() {
  if (unloaded_ == 0) return 0;
  auto listed = store()->lower->list(unloaded_);
  if (!listed.ok()) return -EIO;
  unloaded_ = 0;
  for (TreeEntry& entry : *listed) {
    if (children_.contains(entry.name)) continue;  // put in before
    NodePtr node;
    if (S_ISDIR(entry.mode)) {
      auto folder = std::make_shared<TreeFolder>(store(), S_IFDIR, volume());
      folder->unloaded_ = entry.number;
      node = std::move(folder);
    } else if (S_ISREG(entry.mode)) {
      node = std::make_shared<FileNode>(store(), 0, volume());
    } else if (S_ISLNK(entry.mode)) {
      node = std::make_shared<LinkNode>(store(), std::string(), volume());
    } else {
      continue;
    }
    node->lower_ = entry.number;
    add(std::move(entry.name), std::move(node));
  }
  return 0;
}

int64_t TreeFolder::find(std::string_view name, NodePtr& out) {
  out.reset();
  auto known = children_.find(name);
  if (known == children_.end() && unloaded_ != 0) {
    if (const int64_t error = load(); error < 0) return error;
    known = children_.find(name);
  }
  if (known != children_.end()) out = known->second.node;
  return 0;
}

bool TreeFolder::next(uint64_t from, Entry& out) {
  if (load() < 0) return false;
  const auto at = positions_.lower_bound(from);
  if (at == positions_.end()) return false;
  const auto child = children_.find(*at->second);
  out = {child->first, child->second.node->number(), child->second.node->type(), at->first + 1};
  return true;
}

int64_t TreeFolder::changeable() const {
  const bool removed = names().empty() && parent() != nullptr;
  return removed ? -ENOENT : 0;
}

bool TreeFolder::empty() {
  if (load() < 0) return false;
  return children_.empty();
}

void TreeFolder::add(std::string name, NodePtr node) {
  if (node->is_folder()) ++folders_;
  node->names_.push_back({std::static_pointer_cast<Folder>(shared_from_this()), name});
  node->removed_from_.reset();
  const uint64_t position = next_position_++;
  const auto added = children_.emplace(std::move(name), Child{std::move(node), position}).first;
  positions_.emplace(position, &added->first);
}

void TreeFolder::insert(std::string_view name, const NodePtr& node) {
  add(std::string(name), node);
  touch();
}

void TreeFolder::erase(std::string_view name, std::string_view path) {
  const auto child = children_.find(name);
  if (child == children_.end()) return;
  const NodePtr node = std::move(child->second.node);
  positions_.erase(child->second.position);
  const auto self = std::static_pointer_cast<Folder>(shared_from_this());
  std::erase_if(node->names_, [&](const Name& n) { return n.name == name && n.folder.lock() == self; });
  if (node->is_folder()) --folders_;
  children_.erase(child);
  if (node->names_.empty()) {
    node->last_path_ = path.substr(0, 4096);
    if (node->is_folder()) node->removed_from_ = self;
  }
  node->change_attributes();
  touch();
}

void TreeFolder::each(const std::function<void(const std::string&, const NodePtr&)>& visit) const {
  for (const auto& [name, child] : children_) visit(name, child.node);
}

void TreeFolder::status(struct ::stat& out) const {
  Folder::status(out);
  // One of the tree below may not know its folders yet: 1 is what file systems say that do not count.
  if (from_below_) {
    out.st_nlink = 1;
  } else if (names().empty() && parent() != nullptr) {
    out.st_nlink = 0;
  } else {
    out.st_nlink = 2 + folders_;
  }
}

}  // namespace shrike::sandbox::microvm
