#pragma once
// Pipes, named or not.

#include <linux/limits.h>

#include <string>

#include "sandbox/microvm/files/node.h"
#include "sandbox/microvm/files/objects.h"

namespace shrike::sandbox::microvm {

/// A pipe: what its ends are open on. Its first PIPE_BUF bytes cost nothing of the quota, so that a guest that has used
/// up its buffers elsewhere still gets on.
class PipeNode final : public Node {
 public:
  static constexpr size_t capacity_default = 65536, capacity_max = 1u << 20;

  /// A named one; `anonymous`: without a name.
  PipeNode(StorePtr store, uint32_t mode, bool anonymous = false);
  ~PipeNode() override;
  /// A named pipe's end. -ENXIO: written to without waiting, and nobody reads.
  int64_t open(int flags, FilePtr& out) override;
  [[nodiscard]] std::string own_name() const override;

 private:
  friend class PipeFile;
  friend int64_t make_pipe(const StorePtr& store, int flags, FilePtr& reader, FilePtr& writer);
  [[nodiscard]] size_t held() const { return data_.size() - head_; }
  [[nodiscard]] size_t free() const;
  void put(std::span<const std::byte> in);
  size_t take(std::span<std::byte> out);
  void close_end();

  bool anonymous_;
  Share object_;
  std::string data_;
  size_t head_ = 0;  // where unread data begins
  size_t capacity_ = capacity_default;
  uint64_t charged_ = 0;
  uint32_t readers_ = 0, writers_ = 0;
  uint64_t readers_ever_ = 0, writers_ever_ = 0;
  uint64_t in_ = 0, out_ = 0;  // activity
};

/// An end of a pipe, or both.
class PipeFile final : public File {
 public:
  PipeFile(std::shared_ptr<PipeNode> node, int open_flags);
  ~PipeFile() override;

  int64_t read(std::span<std::byte> out, std::optional<uint64_t> at) override;
  /// At most PIPE_BUF bytes go in whole or not at all (-EAGAIN). -EPIPE: nobody reads; kernel/ sends SIGPIPE.
  int64_t write(std::span<const std::byte> in, std::optional<uint64_t> at) override;
  [[nodiscard]] uint32_t poll() const override;
  int64_t control(uint64_t command, uint64_t value, std::span<std::byte> argument) override;
  [[nodiscard]] NodePtr node() const override { return node_; }
  [[nodiscard]] uint64_t activity(uint32_t events) const override;
  [[nodiscard]] bool opened() const override;
  [[nodiscard]] bool writes_whole() const override { return true; }

  /// F_GETPIPE_SZ, F_SETPIPE_SZ: the new one, a power of two of pages. -EBUSY: less than it holds; -EPERM: over 1 MiB.
  [[nodiscard]] int64_t capacity() const { return static_cast<int64_t>(node_->capacity_); }
  int64_t set_capacity(uint64_t bytes);
  /// Looks at what read() would give, for tee(2).
  int64_t peek(std::span<std::byte> out) const;

 private:
  std::shared_ptr<PipeNode> node_;
  uint64_t readers_ever_, writers_ever_;  // when this was opened
};

}  // namespace shrike::sandbox::microvm
