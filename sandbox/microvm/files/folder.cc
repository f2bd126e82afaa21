#include <sys/stat.h>

#include <cerrno>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

TreeFolder::~TreeFolder() {
  // A deep tree must not be taken down by recursion.
  std::vector<NodePtr> doomed;
  const auto doom = [&doomed](TreeFolder& folder) {
    for (auto& [name, child] : folder.children_)
      if (child.node) doomed.push_back(std::move(child.node));
  };
  doom(*this);
  while (!doomed.empty()) {
    const NodePtr node = std::move(doomed.back());
    doomed.pop_back();
    auto* folder = node.use_count() == 1 && node->is_folder() ? dynamic_cast<TreeFolder*>(node.get()) : nullptr;
    if (folder == nullptr) continue;
    doom(*folder);
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
  for (TreeEntry& entry : *listed)
    if (!children_.contains(entry.name) && !gone_.contains(entry.name)) add_lower(std::move(entry));
  gone_.clear();
  return 0;
}

void TreeFolder::add_lower(TreeEntry entry) {
  if (!S_ISDIR(entry.mode) && !S_ISREG(entry.mode) && !S_ISLNK(entry.mode)) return;
  if (S_ISDIR(entry.mode)) ++folders_;
  Child child;
  child.lower = entry.number;
  child.type = entry.mode & S_IFMT;
  child.number = store()->next_number++;
  add(std::move(entry.name), std::move(child));
}

// A folder of /usr/lib's size is listed for a few of its names: nodes are made for those.
const NodePtr& TreeFolder::node_of(const std::string& name, Child& child) {
  if (child.node) return child.node;
  if (child.type == S_IFDIR) {
    auto folder = std::make_shared<TreeFolder>(store(), S_IFDIR, volume());
    folder->unloaded_ = child.lower;
    child.node = std::move(folder);
  } else if (child.type == S_IFREG) {
    child.node = std::make_shared<FileNode>(store(), 0, volume());
  } else {
    child.node = std::make_shared<LinkNode>(store(), std::string(), volume());
  }
  child.node->lower_ = child.lower;
  child.node->number_ = child.number;
  child.node->names_.push_back({std::static_pointer_cast<Folder>(shared_from_this()), name});
  return child.node;
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
  if (known != children_.end()) out = node_of(known->first, known->second);
  return 0;
}

bool TreeFolder::next(uint64_t from, Entry& out) {
  if (load() < 0) return false;
  const auto at = positions_.lower_bound(from);
  if (at == positions_.end()) return false;
  const auto found = children_.find(*at->second);
  const Child& child = found->second;
  out = child.node ? Entry{found->first, child.node->number(), child.node->type(), at->first + 1}
                   : Entry{found->first, child.number, child.type, at->first + 1};
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
  child.position = next_position_++;
  const auto added = children_.emplace(std::move(name), std::move(child)).first;
  positions_.emplace(added->second.position, &added->first);
}

void TreeFolder::insert(std::string_view name, const NodePtr& node) {
  if (node->is_folder()) ++folders_;
  node->names_.push_back({std::static_pointer_cast<Folder>(shared_from_this()), std::string(name)});
  node->removed_from_.reset();
  Child child;
  child.node = node;
  add(std::string(name), std::move(child));
  touch();
}

void TreeFolder::erase(std::string_view name, std::string_view path) {
  const auto child = children_.find(name);
  if (child == children_.end()) return;
  if (unloaded_ != 0) gone_.insert(child->first);
  const NodePtr node = node_of(child->first, child->second);
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
