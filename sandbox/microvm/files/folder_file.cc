// Open folders.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/locks.h"
#include "sandbox/microvm/files/node.h"

namespace shrike::sandbox::microvm {

namespace {

/// linux_dirent64 up to its name.
struct RecordHead {
  uint64_t number;
  int64_t next;
  uint16_t bytes;
  uint8_t type;
} __attribute__((packed));

/// Appends a record at `at`; false when it does not fit.
bool add_record(std::span<std::byte> out, size_t& at, const Folder::Entry& entry) {
  const size_t bytes = (sizeof(RecordHead) + entry.name.size() + 1 + 7) / 8 * 8;
  if (bytes > out.size() - at) return false;
  const RecordHead head{entry.number, static_cast<int64_t>(entry.next), static_cast<uint16_t>(bytes),
                        static_cast<uint8_t>(entry.type >> 12)};
  std::byte* record = out.data() + at;
  std::memset(record, 0, bytes);
  std::memcpy(record, &head, sizeof head);
  std::memcpy(record + sizeof head, entry.name.data(), entry.name.size());
  at += bytes;
  return true;
}

class FolderFile final : public File {
 public:
  explicit FolderFile(std::shared_ptr<Folder> folder) : folder_(std::move(folder)) {}
  ~FolderFile() override {
    if (LockTable* locks = folder_->known_locks()) locks->release_file(*this);
  }

  int64_t read(std::span<std::byte>, std::optional<uint64_t>) override { return -EISDIR; }
  int64_t write(std::span<const std::byte>, std::optional<uint64_t>) override { return -EBADF; }

  int64_t seek(int64_t offset, int whence) override {
    if (whence == SEEK_CUR) offset += static_cast<int64_t>(position_);
    if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0) return -EINVAL;
    position_ = static_cast<uint64_t>(offset);
    return offset;
  }

  int64_t list(std::span<std::byte> out) override {
    if (folder_->names().empty() && folder_->parent() != nullptr) return -ENOENT;  // removed
    size_t used = 0;
    for (Folder::Entry entry; entry_at(entry); position_ = entry.next) {
      if (!add_record(out, used, entry)) return used == 0 ? -EINVAL : static_cast<int64_t>(used);
    }
    return static_cast<int64_t>(used);
  }

  [[nodiscard]] NodePtr node() const override { return folder_; }

 private:
  bool entry_at(Folder::Entry& entry) {
    if (position_ >= 2) return folder_->next(position_, entry);
    const auto parent = folder_->parent();
    const Node& node = position_ == 1 && parent ? static_cast<const Node&>(*parent) : *folder_;
    entry = {position_ == 0 ? "." : "..", node.number(), S_IFDIR, position_ + 1};
    return true;
  }

  std::shared_ptr<Folder> folder_;
  uint64_t position_ = 0;
};

}  // namespace

int64_t Folder::open(int flags, FilePtr& out) {
  if ((flags & O_ACCMODE) != O_RDONLY) return -EISDIR;
  out = std::make_shared<FolderFile>(std::static_pointer_cast<Folder>(shared_from_this()));
  out->flags = static_cast<uint32_t>(flags);
  return 0;
}

}  // namespace shrike::sandbox::microvm
