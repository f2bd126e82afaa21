#include "sandbox/microvm/files/generated.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t setting_max = 4096;

class TextFile final : public File {
 public:
  TextFile(NodePtr node, TextNode::Text text, TextNode::Take take)
      : node_(std::move(node)), make_(std::move(text)), take_(std::move(take)) {}

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override {
    if (!readable()) return -EBADF;
    const uint64_t from = at.value_or(position_);
    if (from == 0 || !made_) text_ = make_ ? make_() : std::string(), made_ = true;
    if (from >= text_.size()) return 0;
    const size_t count = std::min<uint64_t>(out.size(), text_.size() - from);
    copy_bytes(out.data(), text_.data() + from, count);
    if (!at) position_ = from + count;
    return static_cast<int64_t>(count);
  }

  int64_t write(std::span<const std::byte> in, std::optional<uint64_t>) override {
    if (!writable()) return -EBADF;
    if (!take_) return -EIO;
    return take_({reinterpret_cast<const char*>(in.data()), std::min(in.size(), setting_max)});
  }

  int64_t seek(int64_t offset, int whence) override {
    if (whence == SEEK_CUR) offset += static_cast<int64_t>(position_);
    if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0) return -EINVAL;
    position_ = static_cast<uint64_t>(offset);
    return offset;
  }

  [[nodiscard]] NodePtr node() const override { return node_; }

 private:
  NodePtr node_;
  TextNode::Text make_;
  TextNode::Take take_;
  std::string text_;
  bool made_ = false;
  uint64_t position_ = 0;
};

}  // namespace

TextNode::TextNode(StorePtr store, uint32_t mode, Volume volume, Text text, Take take)
    : Node(std::move(store), S_IFREG | mode, volume), text_(std::move(text)), take_(std::move(take)) {}

int64_t TextNode::open(int flags, FilePtr& out) {
  if ((flags & O_ACCMODE) != O_RDONLY && !take_) return -EACCES;
  out = std::make_shared<TextFile>(shared_from_this(), text_, take_);
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

ReferenceNode::ReferenceNode(StorePtr store, Volume volume, Text text, End end)
    : Node(std::move(store), S_IFLNK | 0777, volume), text_(std::move(text)), end_(std::move(end)) {}

GeneratedFolder::GeneratedFolder(StorePtr store, Volume volume, uint32_t mode)
    : Folder(std::move(store), S_IFDIR | mode, volume) {
  pinned = true;
}

NodePtr GeneratedFolder::add(std::string_view name, NodePtr node) {
  // Only weakly, unlike settle(): this folder holds the node.
  node->names_.push_back({std::static_pointer_cast<Folder>(shared_from_this()), std::string(name)});
  fixed_.insert_or_assign(std::string(name), node);
  return node;
}

NodePtr GeneratedFolder::add_text(std::string_view name, std::string text) {
  return add_text(name, [text = std::move(text)] { return text; });
}

NodePtr GeneratedFolder::add_text(std::string_view name, TextNode::Text text) {
  return add(name, std::make_shared<TextNode>(store(), 0444, volume(), std::move(text)));
}

NodePtr GeneratedFolder::add_setting(std::string_view name, std::string text) {
  // Owners: the two functions of the one node.
  auto value = std::make_shared<std::string>(std::move(text));
  const auto take = [value](std::string_view bytes) {
    *value = bytes.substr(0, setting_max);
    return static_cast<int64_t>(bytes.size());
  };
  return add(name, std::make_shared<TextNode>(
                       store(), 0644, volume(), [value] { return *value; }, take));
}

std::shared_ptr<GeneratedFolder> GeneratedFolder::add_folder(std::string_view name) {
  auto folder = std::make_shared<GeneratedFolder>(store(), volume());
  add(name, folder);
  return folder;
}

void GeneratedFolder::set_changing(Make make, List list, uint64_t salt) {
  make_ = std::move(make);
  list_ = std::move(list);
  salt_ = salt;
}

uint64_t GeneratedFolder::number_of(std::string_view name) const {
  uint64_t hash = 14695981039346656037u ^ salt_;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return (uint64_t{1} << 40) + hash % (uint64_t{1} << 40);
}

int64_t GeneratedFolder::find(std::string_view name, NodePtr& out) {
  out.reset();
  if (const auto known = fixed_.find(name); known != fixed_.end()) {
    out = known->second;
  } else if (make_) {
    out = make_(name);
    if (out) out->settle(std::static_pointer_cast<Folder>(shared_from_this()), name, number_of(name));
  }
  return 0;
}

bool GeneratedFolder::next(uint64_t from, Entry& out) {
  from = std::max<uint64_t>(from, 2);
  if (from - 2 < fixed_.size()) {
    const auto entry = std::next(fixed_.begin(), static_cast<ptrdiff_t>(from - 2));
    out = {entry->first, entry->second->number(), entry->second->type(), from + 1};
    return true;
  }
  const uint64_t index = from - 2 - fixed_.size();
  if (!list_) return false;
  if (index == 0 || listed_.empty()) listed_ = list_();
  if (index >= listed_.size()) return false;
  out = {listed_[index].name, number_of(listed_[index].name), listed_[index].type, from + 1};
  return true;
}

void GeneratedFolder::status(struct ::stat& out) const {
  Folder::status(out);
  out.st_nlink = 2;
}

}  // namespace shrike::sandbox::microvm
