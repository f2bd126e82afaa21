#pragma once
// The tree below a guest's own files, as its machine sees it inside the jail.

#include <memory>
#include <vector>

#include "common/base/fd.h"
#include "sandbox/microvm/files/tree.h"
#include "sandbox/microvm/host_tree.h"

namespace shrike::sandbox::microvm {

/// This host's files: what was known when the machine's process began, the rest from the broker. Both outlive it.
std::unique_ptr<Tree> known_tree(const HostTree& known, Tree& broker);

/// A tree with files that no folder lists, read from descriptors when they are asked for: a job's own.
class JobTree final : public Tree {
 public:
  explicit JobTree(Tree& below) : below_(below) {}
  struct File {
    uint64_t number = 0;
    uint64_t size_bytes = 0;
  };
  /// Errors: errno of lseek.
  Result<File> add(Fd file);

  Result<std::vector<TreeEntry>> list(uint64_t folder) override { return below_.list(folder); }
  std::optional<TreeEntry> known(uint64_t folder, std::string_view name) override { return below_.known(folder, name); }
  Result<TreeEntry> look(uint64_t number) override { return below_.look(number); }
  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override;

 private:
  static constexpr uint64_t first_number = 1ull << 48;  // far above the host's
  Tree& below_;
  std::vector<Fd> files_;
};

/// Up to `out.size()` bytes of a file from `at` on. Errors: errno.
Result<size_t> read_at(const Fd& file, uint64_t at, std::span<std::byte> out);

}  // namespace shrike::sandbox::microvm
