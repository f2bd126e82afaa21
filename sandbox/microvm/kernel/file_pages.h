#pragma once
// Pages of files that mappings share for reading: a program that is started again, a library that every process has,
// are read once and are in memory once.

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sandbox/microvm/files/file_system.h"
#include "sandbox/microvm/machine/physical.h"

namespace shrike::sandbox::microvm {

class FilePages {
 public:
  /// `most_bytes`: what is kept, in use or not.
  FilePages(Physical& physical, FileSystem& files, uint64_t most_bytes)
      : physical_(physical), files_(files), most_pages_(most_bytes / page_bytes) {}
  FilePages(const FilePages&) = delete;
  FilePages& operator=(const FilePages&) = delete;
  ~FilePages();

  enum class State : uint8_t { ok, past_end, unreadable, no_memory };
  /// Page number `page` of `node`, read with those around it (64 KiB) if it was not there. `frame` stays the cache's:
  /// share it to keep it.
  State get(const std::shared_ptr<Node>& node, uint64_t page, Frame& frame);
  /// What is there of it already, 0 otherwise.
  [[nodiscard]] Frame peek(const Node* node, uint64_t page) const;
  /// The file's content has changed: what is mapped stays as it is, as with a private mapping that was read.
  void forget(const Node* node);
  /// Gives back all that nobody maps. Returns how many pages.
  size_t reclaim();
  [[nodiscard]] size_t pages() const { return pages_; }

 private:
  struct File {
    std::shared_ptr<Node> node;  // keeps the address from being another node's
    std::unordered_map<uint64_t, Frame> frames;
  };
  std::optional<Frame> allocate();
  State read_into(File& file, const std::vector<std::pair<uint64_t, Frame>>& fresh);

  Physical& physical_;
  FileSystem& files_;
  size_t most_pages_;
  size_t pages_ = 0;
  std::unordered_map<const Node*, File> by_node_;
};

}  // namespace shrike::sandbox::microvm
