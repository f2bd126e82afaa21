#pragma once
// Nodes whose content is made when someone looks: /proc and /sys.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

/// A file whose text is made anew each time it is read from the start.
class TextNode final : public Node {
 public:
  using Text = std::function<std::string()>;
  /// What a write does: 0 or more, how many bytes it took, or -errno.
  using Take = std::function<int64_t(std::string_view)>;
  TextNode(StorePtr store, uint32_t mode, Volume volume, Text text, Take take = nullptr);
  int64_t open(int flags, FilePtr& out) override;

 private:
  friend class GeneratedFolder;
  Text text_;
  Take take_;
};

/// A link whose text or end is made when it is followed.
class ReferenceNode final : public Node {
 public:
  using Text = std::function<int64_t(std::string&)>;  ///< 0 or -errno
  using End = std::function<NodePtr()>;               ///< null: follow the text
  ReferenceNode(StorePtr store, Volume volume, Text text, End end = nullptr);
  int64_t target(std::string& out) const override { return text_(out); }
  [[nodiscard]] NodePtr goes_to() const override { return end_ ? end_() : nullptr; }

 private:
  friend class GeneratedFolder;
  Text text_;
  End end_;
};

/// A folder with fixed entries, and, behind them, ones that come and go.
class GeneratedFolder final : public Folder {
 public:
  struct Listed {
    std::string name;
    uint32_t type = S_IFREG;
  };
  /// Makes the node of a name; null: there is none.
  using Make = std::function<NodePtr(std::string_view name)>;
  using List = std::function<std::vector<Listed>()>;

  GeneratedFolder(StorePtr store, Volume volume, uint32_t mode = 0555);
  /// An entry that stays; returns it.
  NodePtr add(std::string_view name, NodePtr node);
  /// The same for a file with this text, or a folder.
  NodePtr add_text(std::string_view name, std::string text);
  NodePtr add_text(std::string_view name, TextNode::Text text);
  /// A file that can be written to and gives back what was, at most 4096 bytes.
  NodePtr add_setting(std::string_view name, std::string text);
  std::shared_ptr<GeneratedFolder> add_folder(std::string_view name);
  /// `salt` tells this folder's inode numbers from other such folders'.
  void set_changing(Make make, List list, uint64_t salt);

  int64_t find(std::string_view name, NodePtr& out) override;
  bool next(uint64_t from, Entry& out) override;
  void status(struct ::stat& out) const override;
  [[nodiscard]] uint64_t size() const override { return 0; }

 private:
  [[nodiscard]] uint64_t number_of(std::string_view name) const;

  std::map<std::string, NodePtr, std::less<>> fixed_;
  Make make_;
  List list_;
  uint64_t salt_ = 0;
  std::vector<Listed> listed_;  // as of the last next(2)
};

}  // namespace shrike::sandbox::microvm
