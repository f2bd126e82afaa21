#pragma once
// What a name in the guest's tree stands for. Nodes of the tree below are made when someone asks for them.
// Folders own what is in them; nodes know their folders weakly, so that nothing owns itself.

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/microvm/files/account.h"
#include "sandbox/microvm/files/content.h"
#include "sandbox/microvm/files/file.h"
#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

class Folder;
class LockTable;  // locks.h

/// Virtual CLOCK_REALTIME in nanoseconds, for times of files.
using Now = std::function<uint64_t()>;

/// What the nodes of one guest share.
struct Store {
  std::unique_ptr<Tree> lower;
  std::shared_ptr<Account> account;  // owners: this, and everything that takes from it
  Now now;
  /// Fills with what /dev/urandom gives: kernel/'s, from the job's seed. Until it is set, a fixed pattern.
  std::function<void(std::span<std::byte>)> random;
  uint64_t next_number = 2;
};
using StorePtr = std::shared_ptr<Store>;  // owners: the file system and its nodes

/// st_dev: what is on another one cannot be renamed or linked to here.
enum class Volume : uint8_t { root = 1, devices, processes, system, pipes, sockets, anonymous, memory };

/// Whose is what is made.
struct Owner {
  uint32_t uid = 0, gid = 0;
};

struct Attributes {
  uint32_t mode = 0;  ///< with type bits
  uint32_t uid = 0, gid = 0;
  uint64_t device = 0;  ///< rdev
  uint64_t accessed_ns = 0, modified_ns = 0, changed_ns = 0;
};

class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(StorePtr store, uint32_t mode, Volume volume = Volume::root);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] uint32_t type() const { return attributes_.mode & S_IFMT; }
  [[nodiscard]] bool is_folder() const { return type() == S_IFDIR; }
  [[nodiscard]] bool is_link() const { return type() == S_IFLNK; }
  [[nodiscard]] bool is_file() const { return type() == S_IFREG; }
  [[nodiscard]] uint64_t number() const { return number_; }
  [[nodiscard]] Volume volume() const { return volume_; }

  /// Up to date, also of a node of the tree below; one that cannot be read there has no permissions and size 0.
  [[nodiscard]] const Attributes& attributes() const;
  Attributes& change_attributes();  ///< the same, and changed_ns becomes now
  void touch();                     ///< content changed now

  virtual void status(struct ::stat& out) const;
  [[nodiscard]] virtual uint64_t size() const { return 0; }
  /// A new open file of it. `flags` as open(2)'s; O_PATH, O_CREAT and O_TRUNC are done with. -ENXIO.
  virtual int64_t open(int flags, FilePtr& out);
  /// A link's target; -EINVAL.
  virtual int64_t target(std::string& out) const;
  /// What a link of /proc goes to without a text being followed; null for others.
  virtual std::shared_ptr<Node> goes_to() const;
  /// "pipe:[17]" of what is in no folder.
  [[nodiscard]] virtual std::string own_name() const { return {}; }

  [[nodiscard]] uint32_t links() const;
  struct Name {
    std::weak_ptr<Folder> folder;
    std::string name;
  };
  [[nodiscard]] const std::vector<Name>& names() const { return names_; }
  [[nodiscard]] const std::string& last_path() const { return last_path_; }
  /// Where it was when its last name went; for `..` of a removed folder.
  [[nodiscard]] std::shared_ptr<Folder> parent() const;

  std::map<std::string, std::string, std::less<>>& extended() { return extended_; }
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& extended() const { return extended_; }
  LockTable& locks();
  [[nodiscard]] LockTable* known_locks() const { return locks_.get(); }  ///< null: there were none yet

  bool pinned = false;     ///< a mount point or made by us: cannot be renamed or removed
  bool changed = false;    ///< the guest has made or changed it
  bool unlinkable = true;  ///< may be linked to while it has no name (O_TMPFILE)

 protected:
  void ensure_looked() const;
  /// Of a node of the tree below: attributes come at the first look.
  virtual void look(const TreeEntry& entry);
  /// For a node that is made when it is asked for, and again when it is asked for again: its folder, kept alive by it.
  void settle(const std::shared_ptr<Folder>& folder, std::string_view name, uint64_t number);
  [[nodiscard]] const StorePtr& store() const { return store_; }

 private:
  friend class Folder;
  friend class FileNode;
  friend class GeneratedFolder;
  friend class TreeFolder;
  friend class FileSystem;

  StorePtr store_;
  mutable Attributes attributes_;
  mutable uint64_t lower_ = 0;  // number in the tree below, while it has not been looked at
  uint64_t number_;
  Volume volume_;
  std::vector<Name> names_;
  std::string last_path_;
  std::shared_ptr<Folder> removed_from_;  // no cycle: this one is not in it any more
  std::map<std::string, std::string, std::less<>> extended_;
  std::unique_ptr<LockTable> locks_;
  Share share_;  // of the nodes that the guest may make
};
using NodePtr = std::shared_ptr<Node>;  // owners: the folders that name it, open files, processes' places

class Folder : public Node {
 public:
  using Node::Node;
  /// Nothing when there is no such name; -EIO where the tree below fails.
  virtual int64_t find(std::string_view name, NodePtr& out) = 0;

  struct Entry {
    std::string_view name;  ///< valid until the folder changes
    uint64_t number = 0;
    uint32_t type = 0;  ///< S_IFMT bits
    uint64_t next = 0;  ///< position behind it
  };
  /// The first entry at position `from` or behind it; "." and ".." are not among them. Positions begin at 2 and stay an
  /// entry's while others come and go. False at the end.
  virtual bool next(uint64_t from, Entry& out) = 0;
  /// Whether the guest may make and remove names; 0 or -errno.
  [[nodiscard]] virtual int64_t changeable() const { return -EPERM; }
  int64_t open(int flags, FilePtr& out) override;
  [[nodiscard]] uint64_t size() const override { return 4096; }
};

/// A folder that the guest can change: from the tree below, or made.
class TreeFolder final : public Folder {
 public:
  using Folder::Folder;
  ~TreeFolder() override;
  int64_t find(std::string_view name, NodePtr& out) override;
  bool next(uint64_t from, Entry& out) override;
  [[nodiscard]] int64_t changeable() const override;
  void status(struct ::stat& out) const override;

  /// Adds a name that is not there; replaces nothing.
  void insert(std::string_view name, const NodePtr& node);
  /// Takes a name that is there away; `path` is what it was called.
  void erase(std::string_view name, std::string_view path);
  [[nodiscard]] bool empty();
  /// Calls for each child that has a node: made by the guest, put in, or asked for.
  void each(const std::function<void(const std::string&, const NodePtr&)>& visit) const;

 protected:
  void look(const TreeEntry& entry) override;

 private:
  friend class FileSystem;
  /// A name here. What is in the tree below has no node until someone asks for it.
  struct Child {
    NodePtr node;
    uint64_t lower = 0;  // number in the tree below, while there is no node
    uint64_t number = 0;
    uint32_t type = 0;
    uint64_t position = 0;
  };
  struct Position {
    uint64_t position = 0;
    const std::string* name = nullptr;  // a key of children_; null: it has gone
  };
  int64_t load();
  void add(std::string name, Child child);
  void add_lower(TreeEntry entry);
  void adopt(std::string_view name, Node& node);
  void forget_position(uint64_t position);
  NodePtr make_node(const std::string& name, const Child& child);

  std::map<std::string, Child, std::less<>> children_;
  std::vector<Position> positions_;  // ascending
  size_t gone_positions_ = 0;
  uint64_t next_position_ = 2;
  uint64_t unloaded_ = 0;                    // number in the tree below, while it has not been listed
  std::set<std::string, std::less<>> gone_;  // names that were taken away before it was
  uint32_t folders_ = 0;
  bool from_below_ = false;
};

/// A regular file.
class FileNode final : public Node {
 public:
  /// Empty.
  FileNode(StorePtr store, uint32_t mode, Volume volume = Volume::root);
  /// With bytes that are on nobody's account.
  FileNode(StorePtr store, uint32_t mode, std::string bytes);
  /// The same, above `file` of the tree below, which need not list it.
  FileNode(StorePtr store, uint32_t mode, uint64_t file, uint64_t size_bytes);
  /// One that the guest has made without a name; null: it may make no more.
  static std::shared_ptr<FileNode> nameless(const StorePtr& store, uint32_t mode, Volume volume);

  [[nodiscard]] uint64_t size() const override;
  void status(struct ::stat& out) const override;
  int64_t open(int flags, FilePtr& out) override;
  [[nodiscard]] std::string own_name() const override { return own_name_; }
  [[nodiscard]] Content& content();
  [[nodiscard]] const Content& content() const;

  void set_own_name(std::string name) { own_name_ = std::move(name); }
  uint32_t seals = 1;  ///< F_SEAL_SEAL: only memfds can be sealed

 protected:
  void look(const TreeEntry& entry) override;

 private:
  std::unique_ptr<Content> content_;
  std::string own_name_;
};

class LinkNode final : public Node {
 public:
  LinkNode(StorePtr store, std::string target, Volume volume = Volume::root);
  ~LinkNode() override;
  [[nodiscard]] uint64_t size() const override;
  int64_t target(std::string& out) const override;

 protected:
  void look(const TreeEntry& entry) override;

 private:
  friend class FileSystem;
  std::string target_;
  uint64_t taken_ = 0;  // of the account
};

/// Character and block devices by their number (devices.cc).
class DeviceNode final : public Node {
 public:
  DeviceNode(StorePtr store, uint32_t mode, uint64_t device, Volume volume = Volume::root);
  int64_t open(int flags, FilePtr& out) override;
};

/// What open() gives with O_PATH.
FilePtr path_file(NodePtr node, int flags);

}  // namespace shrike::sandbox::microvm
