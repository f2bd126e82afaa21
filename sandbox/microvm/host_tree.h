#pragma once
// What of this host's files a machine may read: the entries below a few folders that everyone may read, by numbers that
// are given out here. Runs outside the jail. No text of the guest's comes here: every name is one that this host's
// folders have told.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/microvm/files/tree.h"

namespace shrike::sandbox::microvm {

/// Absolute paths of what is shown, each with everything below it; links among them stay links. All folders above hold
/// nothing else: /etc is made up by the machine, but for these.
struct HostView {
  std::string root = "/";
  std::vector<std::string> paths = {"/usr",     "/bin",
                                    "/sbin",    "/lib",
                                    "/lib32",   "/lib64",
                                    "/libx32",  "/etc/alternatives",
                                    "/etc/ssl", "/etc/ld.so.cache"};
};

class HostTree {
 public:
  /// What of the view is not there is left out. Errors: `view.root` cannot be opened.
  static Result<HostTree> open(const HostView& view);

  /// As Tree's, lists in the order of names, with an errno in Error::code: ENOENT for a number never given out,
  /// ENOTDIR, EISDIR, EACCES for what not everyone may read, ENFILE when more entries were listed than are kept.
  Result<const std::vector<TreeEntry>*> list(uint64_t folder);
  Result<TreeEntry> look(uint64_t number);
  /// A descriptor for reading. Regular files only.
  Result<Fd> open_file(uint64_t number);

  /// Lists what nearly every program looks into, so that it is known before it is asked for.
  void warm();
  /// Folders that have changed since they were listed are listed again when they are asked for; what has gone from them
  /// keeps its number. Cost here: a few microseconds for each folder that is known.
  void refresh();
  /// What is known without looking at this host: for a process that has this object's memory, but not its descriptors.
  /// Null: nothing.
  [[nodiscard]] const std::vector<TreeEntry>* listed(uint64_t folder) const;
  [[nodiscard]] const TreeEntry* looked(uint64_t number) const;

 private:
  struct Node {
    std::string path;  ///< from the root, without a slash at its begin; "" is the root
    uint32_t type = 0;
    bool made_up = false;  ///< a folder that holds only what the view says
    bool listed = false;
    uint64_t listed_ns = 0;          ///< the folder's mtime then
    std::vector<TreeEntry> entries;  ///< of a folder, once listed
    std::optional<TreeEntry> known;  ///< what the last look() said
  };
  explicit HostTree(Fd root) : root_(std::move(root)) {}
  void show(const std::string& path);
  [[nodiscard]] std::optional<uint64_t> number_of(std::string_view path);
  uint64_t add(std::string path, uint32_t type, bool made_up);
  Result<Node*> find(uint64_t number);
  /// Opens below the root, never over a link but where the end is one and `flags` have O_PATH.
  [[nodiscard]] Fd open_below(const std::string& path, int flags) const;

  Fd root_;
  std::vector<Node> nodes_;  // number - tree_root is the index
  std::set<size_t> listed_;  // indices of what was listed from the host
};

}  // namespace shrike::sandbox::microvm
