#include "sandbox/microvm/guest_tree.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace shrike::sandbox::microvm {
namespace {

class KnownTree final : public Tree {
 public:
  KnownTree(const HostTree& known, Tree& broker) : known_(known), broker_(broker) {}
  Result<std::vector<TreeEntry>> list(uint64_t folder) override {
    if (const auto* entries = known_.listed(folder)) return *entries;
    return broker_.list(folder);
  }
  std::optional<TreeEntry> known(uint64_t folder, std::string_view name) override {
    const auto* entries = known_.listed(folder);
    if (entries == nullptr) return std::nullopt;
    const auto found = std::ranges::lower_bound(*entries, name, {}, &TreeEntry::name);
    return found != entries->end() && found->name == name ? *found : TreeEntry{};
  }
  Result<TreeEntry> look(uint64_t number) override {
    if (const auto* entry = known_.looked(number)) return *entry;
    return broker_.look(number);
  }
  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
    return broker_.read(file, at, out);
  }

 private:
  const HostTree& known_;
  Tree& broker_;
};

}  // namespace

std::unique_ptr<Tree> known_tree(const HostTree& known, Tree& broker) {
  return std::make_unique<KnownTree>(known, broker);
}

Result<JobTree::File> JobTree::add(Fd file) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return errno_error("a file of the job's");
  files_.push_back(std::move(file));
  return File{first_number + files_.size() - 1, static_cast<uint64_t>(size)};
}

Result<size_t> JobTree::read(uint64_t file, uint64_t at, std::span<std::byte> out) {
  if (file < first_number) return below_.read(file, at, out);
  if (file - first_number >= files_.size()) return Error{"no file of the job's", ENOENT};
  return read_at(files_[file - first_number], at, out);
}

Result<size_t> read_at(const Fd& file, uint64_t at, std::span<std::byte> out) {
  size_t have = 0;
  while (have < out.size()) {
    const ssize_t got = ::pread(file.get(), out.data() + have, out.size() - have, static_cast<off_t>(at + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("a file of the job's");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  return have;
}

}  // namespace shrike::sandbox::microvm
