#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

TreeFolder::~TreeFolder() {
  // A deep tree must not be taken down by recursion.
  std::vector<NodePtr> doomed;
  for (auto& [name, child] : children_)
    if (child.node) doomed.push_back(std::move(child.node));
  while (!doomed.empty()) {
    const NodePtr node = std::move(doomed.back());
    doomed.pop_back();
    auto* folder = node.use_count() == 1 && node->is_folder() ? dynamic_cast<TreeFolder*>(node.get()) : nullptr;
    if (folder == nullptr) continue;
    for (auto& [name, child] : folder->children_)
      if (child.node) doomed.push_back(std::move(child.node));
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
  positions_.reserve(positions_.size() + listed->size());
  for (TreeEntry& entry : *listed)
    if (!children_.contains(entry.name) && !gone_.contains(entry.name)) add_lower(std::move(entry));
  gone_.clear();
  return 0;
}

void TreeFolder::add_lower(TreeEntry entry) {
  if (!S_ISDIR(entry.mode) && !S_ISREG(entry.mode) && !S_ISLNK(entry.mode)) return;
  add(std::move(entry.name), {nullptr, entry.number, store()->next_number++, entry.mode & S_IFMT});
}

NodePtr TreeFolder::make_node(const std::string& name, const Child& child) {
  NodePtr node;
  if (child.type == S_IFDIR) {
    auto folder = std::make_shared<TreeFolder>(store(), S_IFDIR, volume());
    folder->unloaded_ = child.lower;
    node = std::move(folder);
  } else if (child.type == S_IFREG) {
    node = std::make_shared<FileNode>(store(), 0, volume());
  } else {
    node = std::make_shared<LinkNode>(store(), std::string(), volume());
  }
  node->lower_ = child.lower;
  node->number_ = child.number;
  adopt(name, *node);
  return node;
}

int64_t TreeFolder::find(std::string_view name, NodePtr& out) {
  out.reset();
  auto known = children_.find(name);
  if (known == children_.end() && unloaded_ != 0 && !gone_.contains(name)) {
    if (auto entry = store()->lower->known(unloaded_, name)) {
      if (entry->number == 0) return 0;
      add_lower(std::move(*entry));
    } else if (const int64_t error = load(); error < 0) {
      return error;
    }
    known = children_.find(name);
  }
  if (known == children_.end()) return 0;
  if (!known->second.node) known->second.node = make_node(known->first, known->second);
  out = known->second.node;
  return 0;
}

bool TreeFolder::next(uint64_t from, Entry& out) {
  if (load() < 0) return false;
  auto at = std::lower_bound(positions_.begin(), positions_.end(), from,
                             [](const Position& position, uint64_t wanted) { return position.position < wanted; });
  while (at != positions_.end() && at->name == nullptr) ++at;
  if (at == positions_.end()) return false;
  const auto child = children_.find(*at->name);
  out = {child->first, child->second.number, child->second.type, at->position + 1};
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

void TreeFolder::add(std::string name, Child child) {
  if (child.type == S_IFDIR) ++folders_;
  child.position = next_position_++;
  const auto added = children_.emplace(std::move(name), std::move(child)).first;
  positions_.push_back({added->second.position, &added->first});
}

void TreeFolder::adopt(std::string_view name, Node& node) {
  node.names_.push_back({std::static_pointer_cast<Folder>(shared_from_this()), std::string(name)});
  node.removed_from_.reset();
}

void TreeFolder::insert(std::string_view name, const NodePtr& node) {
  adopt(name, *node);
  add(std::string(name), {node, 0, node->number(), node->type()});
  touch();
}

void TreeFolder::erase(std::string_view name, std::string_view path) {
  NodePtr node;
  if (find(name, node) < 0 || !node) return;
  const auto child = children_.find(name);
  // Only what is below: the guest's own names, made and removed for ever, must not add up.
  if (unloaded_ != 0 && child->second.lower != 0) gone_.insert(child->first);
  const auto self = std::static_pointer_cast<Folder>(shared_from_this());
  std::erase_if(node->names_, [&](const Name& n) { return n.name == name && n.folder.lock() == self; });
  if (node->is_folder()) --folders_;
  forget_position(child->second.position);
  children_.erase(child);
  if (node->names_.empty()) {
    node->last_path_ = path.substr(0, 4096);
    if (node->is_folder()) node->removed_from_ = self;
  }
  node->change_attributes();
  touch();
}

void TreeFolder::forget_position(uint64_t position) {
  const auto at = std::lower_bound(positions_.begin(), positions_.end(), position,
                                   [](const Position& known, uint64_t wanted) { return known.position < wanted; });
  at->name = nullptr;
  if (++gone_positions_ <= positions_.size() / 2) return;
  std::erase_if(positions_, [](const Position& known) { return known.name == nullptr; });
  gone_positions_ = 0;
}

void TreeFolder::each(const std::function<void(const std::string&, const NodePtr&)>& visit) const {
  for (const auto& [name, child] : children_)
    if (child.node) visit(name, child.node);
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
