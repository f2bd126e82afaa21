#pragma once
// What of this host's files a machine may read: the entries below a few folders that everyone may read, by numbers that
// are given out here. Runs outside the jail. No text of the guest's comes here: every name is one that this host's
// folders have told.

#include <cstdint>
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

  /// As Tree's, with an errno in Error::code: ENOENT for a number never given out, ENOTDIR, EISDIR, EACCES for what not
  /// everyone may read, ENFILE when more entries were listed than are kept.
  Result<const std::vector<TreeEntry>*> list(uint64_t folder);
  Result<TreeEntry> look(uint64_t number);
  /// A descriptor for reading. Regular files only.
  Result<Fd> open_file(uint64_t number);

 private:
  struct Node {
    std::string path;  ///< from the root, without a slash at its begin; "" is the root
    uint32_t type = 0;
    bool made_up = false;  ///< a folder that holds only what the view says
    bool listed = false;
    std::vector<TreeEntry> entries;  ///< of a folder, once listed
  };
  explicit HostTree(Fd root) : root_(std::move(root)) {}
  void show(const std::string& path);
  uint64_t add(std::string path, uint32_t type, bool made_up);
  Result<Node*> find(uint64_t number);
  /// Opens below the root, never over a link but where the end is one and `flags` have O_PATH.
  [[nodiscard]] Fd open_below(const std::string& path, int flags) const;

  Fd root_;
  std::vector<Node> nodes_;  // number - tree_root is the index
};

}  // namespace shrike::sandbox::microvm
