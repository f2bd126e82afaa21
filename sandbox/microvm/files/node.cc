#include "sandbox/microvm/files/node.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "sandbox/microvm/files/locks.h"

namespace shrike::sandbox::microvm {

namespace {

struct ::timespec time_of(uint64_t ns) {
  return {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
}

}  // namespace

Node::Node(StorePtr store, uint32_t mode, Volume volume)
    : store_(std::move(store)), number_(store_->next_number++), volume_(volume) {
  const uint64_t now = store_->now();
  attributes_ = {.mode = mode, .accessed_ns = now, .modified_ns = now, .changed_ns = now};
}

Node::~Node() {
  for (const auto& [name, value] : extended_) store_->account->bytes.give_back(name.size() + value.size() + 64);
}

void Node::ensure_looked() const {
  if (lower_ == 0) return;
  auto entry = store_->lower->look(lower_);
  if (entry.ok()) entry->number = lower_;
  lower_ = 0;
  const uint32_t type = attributes_.mode & S_IFMT;
  if (entry.ok() && (entry->mode & S_IFMT) == type) {
    attributes_ = {.mode = entry->mode & (S_IFMT | 07777),
                   .uid = entry->uid,
                   .gid = entry->gid,
                   .accessed_ns = entry->mtime_ns,
                   .modified_ns = entry->mtime_ns,
                   .changed_ns = entry->mtime_ns};
  } else {
    attributes_.mode = type;
    entry = TreeEntry{};
  }
  const_cast<Node*>(this)->look(*entry);
}

void Node::look(const TreeEntry&) {}

const Attributes& Node::attributes() const {
  ensure_looked();
  return attributes_;
}

Attributes& Node::change_attributes() {
  ensure_looked();
  attributes_.changed_ns = store_->now();
  return attributes_;
}

void Node::touch() {
  ensure_looked();
  attributes_.modified_ns = attributes_.changed_ns = store_->now();
}

void Node::status(struct ::stat& out) const {
  const Attributes& have = attributes();
  out = {};
  out.st_dev = makedev(0, 20 + static_cast<unsigned>(volume_));
  out.st_ino = number_;
  out.st_nlink = links();
  out.st_mode = have.mode;
  out.st_uid = have.uid;
  out.st_gid = have.gid;
  out.st_rdev = have.device;
  out.st_size = static_cast<off_t>(size());
  out.st_blksize = 4096;
  out.st_blocks = static_cast<blkcnt_t>((size() + 511) / 512);
  out.st_atim = time_of(have.accessed_ns);
  out.st_mtim = time_of(have.modified_ns);
  out.st_ctim = time_of(have.changed_ns);
}

int64_t Node::open(int, FilePtr&) { return -ENXIO; }
int64_t Node::target(std::string&) const { return -EINVAL; }
NodePtr Node::goes_to() const { return nullptr; }

uint32_t Node::links() const {
  if (!own_name().empty()) return 1;
  return static_cast<uint32_t>(names_.size());
}

std::shared_ptr<Folder> Node::parent() const {
  if (!names_.empty()) return names_.front().folder.lock();
  return removed_from_;
}

void Node::settle(const std::shared_ptr<Folder>& folder, std::string_view name, uint64_t number) {
  names_ = {{folder, std::string(name)}};
  removed_from_ = folder;
  number_ = number;
}

LockTable& Node::locks() {
  if (!locks_) locks_ = std::make_unique<LockTable>();
  return *locks_;
}

FileNode::FileNode(StorePtr store, uint32_t mode, Volume volume) : Node(std::move(store), S_IFREG | mode, volume) {}

FileNode::FileNode(StorePtr store, uint32_t mode, std::string bytes) : Node(std::move(store), S_IFREG | mode) {
  content_ = std::make_unique<Content>(this->store()->account, std::move(bytes));
}

FileNode::FileNode(StorePtr store, uint32_t mode, uint64_t file, uint64_t size_bytes)
    : Node(std::move(store), S_IFREG | mode) {
  content_ = std::make_unique<Content>(this->store()->account, *this->store()->lower, file, size_bytes);
}

std::shared_ptr<FileNode> FileNode::nameless(const StorePtr& store, uint32_t mode, Volume volume) {
  auto node = std::make_shared<FileNode>(store, mode, volume);
  node->share_ = Share::of(store->account, &Account::nodes);
  node->changed = true;
  return node->share_ ? node : nullptr;
}

void FileNode::look(const TreeEntry& entry) {
  content_ = std::make_unique<Content>(store()->account, *store()->lower, entry.number, entry.size_bytes);
}

Content& FileNode::content() {
  ensure_looked();
  if (!content_) content_ = std::make_unique<Content>(store()->account);
  return *content_;
}

const Content& FileNode::content() const { return const_cast<FileNode*>(this)->content(); }

uint64_t FileNode::size() const { return content().size(); }

void FileNode::status(struct ::stat& out) const {
  Node::status(out);
  out.st_blocks = static_cast<blkcnt_t>(content().allocated_bytes() / 512);
}

LinkNode::LinkNode(StorePtr store, std::string target, Volume volume)
    : Node(std::move(store), S_IFLNK | 0777, volume), target_(std::move(target)) {}

LinkNode::~LinkNode() { store()->account->bytes.give_back(taken_); }

void LinkNode::look(const TreeEntry& entry) { target_ = entry.target; }

uint64_t LinkNode::size() const {
  ensure_looked();
  return target_.size();
}

int64_t LinkNode::target(std::string& out) const {
  ensure_looked();
  out = target_;
  return 0;
}

DeviceNode::DeviceNode(StorePtr store, uint32_t mode, uint64_t device, Volume volume)
    : Node(std::move(store), mode, volume) {
  change_attributes().device = device;
}

}  // namespace shrike::sandbox::microvm
