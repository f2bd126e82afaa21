// The same random calls on a real folder and on the guest's tree give the same results and the same tree.

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "common/base/fd.h"
#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {
namespace {

int64_t result(int64_t value) { return value < 0 ? -errno : value; }

/// Calls as a system has them; an open file is known by its number.
class System {
 public:
  virtual ~System() = default;
  virtual int64_t open(int slot, const std::string& path, int flags, unsigned mode) = 0;
  virtual void close(int slot) = 0;
  virtual int64_t read(int slot, size_t count, int64_t at, std::string& out) = 0;
  virtual int64_t write(int slot, const std::string& bytes, int64_t at) = 0;
  virtual int64_t seek(int slot, int64_t to, int whence) = 0;
  virtual int64_t set_size(int slot, int64_t size) = 0;
  virtual int64_t allocate(int slot, int mode, int64_t at, int64_t length) = 0;
  virtual int64_t list(int slot, std::vector<std::string>& out) = 0;
  virtual int64_t status(const std::string& path, bool follow, struct ::stat& out) = 0;
  virtual int64_t status_of(int slot, struct ::stat& out) = 0;
  virtual int64_t make_folder(const std::string& path, unsigned mode) = 0;
  virtual int64_t make_node(const std::string& path, unsigned mode) = 0;
  virtual int64_t make_link(const std::string& target, const std::string& path) = 0;
  virtual int64_t link(const std::string& from, const std::string& to, bool follow) = 0;
  virtual int64_t unlink(const std::string& path, bool folder) = 0;
  virtual int64_t rename(const std::string& from, const std::string& to, unsigned flags) = 0;
  virtual int64_t read_link(const std::string& path, std::string& out) = 0;
  virtual int64_t change_mode(const std::string& path, unsigned mode) = 0;
  virtual int64_t truncate(const std::string& path, int64_t size) = 0;
};

class Host final : public System {
 public:
  explicit Host(const std::string& folder) : base_(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}
  int64_t open(int slot, const std::string& path, int flags, unsigned mode) override {
    const int fd = ::openat(base_.get(), path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) return -errno;
    files_[slot].reset(fd);
    return 0;
  }
  void close(int slot) override { files_[slot].reset(); }
  int64_t read(int slot, size_t count, int64_t at, std::string& out) override {
    out.resize(count);
    const int64_t got = result(at < 0 ? ::read(fd(slot), out.data(), count) : ::pread(fd(slot), out.data(), count, at));
    out.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return got;
  }
  int64_t write(int slot, const std::string& bytes, int64_t at) override {
    return result(at < 0 ? ::write(fd(slot), bytes.data(), bytes.size())
                         : ::pwrite(fd(slot), bytes.data(), bytes.size(), at));
  }
  int64_t seek(int slot, int64_t to, int whence) override { return result(::lseek(fd(slot), to, whence)); }
  int64_t set_size(int slot, int64_t size) override { return result(::ftruncate(fd(slot), size)); }
  int64_t allocate(int slot, int mode, int64_t at, int64_t length) override {
    return result(::fallocate(fd(slot), mode, at, length));
  }
  int64_t list(int slot, std::vector<std::string>& out) override {
    alignas(8) char buffer[256];  // small, so that it takes several calls
    for (;;) {
      const int64_t got = result(::syscall(SYS_getdents64, fd(slot), buffer, sizeof buffer));
      if (got <= 0) return got;
      for (int64_t at = 0; at < got;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
        out.push_back(std::string(entry->d_name) + ":" + std::to_string(entry->d_type));
        at += entry->d_reclen;
      }
    }
  }
  int64_t status(const std::string& path, bool follow, struct ::stat& out) override {
    return result(::fstatat(base_.get(), path.c_str(), &out, follow ? 0 : AT_SYMLINK_NOFOLLOW));
  }
  int64_t status_of(int slot, struct ::stat& out) override { return result(::fstat(fd(slot), &out)); }
  int64_t make_folder(const std::string& path, unsigned mode) override {
    return result(::mkdirat(base_.get(), path.c_str(), mode));
  }
  int64_t make_node(const std::string& path, unsigned mode) override {
    return result(::mknodat(base_.get(), path.c_str(), mode, 0));
  }
  int64_t make_link(const std::string& target, const std::string& path) override {
    return result(::symlinkat(target.c_str(), base_.get(), path.c_str()));
  }
  int64_t link(const std::string& from, const std::string& to, bool follow) override {
    return result(::linkat(base_.get(), from.c_str(), base_.get(), to.c_str(), follow ? AT_SYMLINK_FOLLOW : 0));
  }
  int64_t unlink(const std::string& path, bool folder) override {
    return result(::unlinkat(base_.get(), path.c_str(), folder ? AT_REMOVEDIR : 0));
  }
  int64_t rename(const std::string& from, const std::string& to, unsigned flags) override {
    return result(::renameat2(base_.get(), from.c_str(), base_.get(), to.c_str(), flags));
  }
  int64_t read_link(const std::string& path, std::string& out) override {
    out.resize(4096);
    const int64_t got = result(::readlinkat(base_.get(), path.c_str(), out.data(), out.size()));
    out.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return got;
  }
  int64_t change_mode(const std::string& path, unsigned mode) override {
    return result(::fchmodat(base_.get(), path.c_str(), mode, 0));
  }
  int64_t truncate(const std::string& path, int64_t size) override {
    Fd fd(::openat(base_.get(), path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd.valid()) return -errno;
    return result(::truncate(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), size));
  }

 private:
  int fd(int slot) { return files_[slot].get(); }
  Fd base_;
  std::map<int, Fd> files_;
};

class Guest final : public System {
 public:
  explicit Guest(const std::string& folder)
      : files_(empty_tree(), {.bytes = 1u << 30, .nodes = 100000}, [this] { return now_ += 1000; }) {
    EXPECT_EQ(files_.put_folder(folder, 0755), 0);
    Found found;
    EXPECT_EQ(files_.resolve({files_.root(), files_.root(), {}}, nullptr, folder, true, found), 0);
    place_ = {files_.root(), found.node, {}};
  }
  int64_t open(int slot, const std::string& path, int flags, unsigned mode) override {
    FilePtr file;
    const int64_t error = files_.open_at(place_, nullptr, path, flags, mode, file);
    if (error < 0) return error;
    open_[slot] = file;
    return 0;
  }
  void close(int slot) override { open_[slot].reset(); }
  int64_t read(int slot, size_t count, int64_t at, std::string& out) override {
    if (!open_[slot]) return -EBADF;
    out.resize(count);
    const int64_t got = open_[slot]->read(std::as_writable_bytes(std::span(out)), where(at));
    out.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return got;
  }
  int64_t write(int slot, const std::string& bytes, int64_t at) override {
    return open_[slot] ? open_[slot]->write(std::as_bytes(std::span(bytes)), where(at)) : -EBADF;
  }
  int64_t seek(int slot, int64_t to, int whence) override {
    return open_[slot] ? open_[slot]->seek(to, whence) : -EBADF;
  }
  int64_t set_size(int slot, int64_t size) override {
    if (size < 0) return -EINVAL;
    return open_[slot] ? open_[slot]->truncate(static_cast<uint64_t>(size)) : -EBADF;
  }
  int64_t allocate(int slot, int mode, int64_t at, int64_t length) override {
    if (!open_[slot] || (open_[slot]->flags & O_PATH) != 0) return -EBADF;
    if (at < 0 || length <= 0) return -EINVAL;
    return open_[slot]->allocate(mode, static_cast<uint64_t>(at), static_cast<uint64_t>(length));
  }
  int64_t list(int slot, std::vector<std::string>& out) override {
    if (!open_[slot]) return -EBADF;
    alignas(8) std::byte buffer[256];
    for (;;) {
      const int64_t got = open_[slot]->list(buffer);
      if (got <= 0) return got;
      for (int64_t at = 0; at < got;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
        out.push_back(std::string(entry->d_name) + ":" + std::to_string(entry->d_type));
        at += entry->d_reclen;
      }
    }
  }
  int64_t status(const std::string& path, bool follow, struct ::stat& out) override {
    NodePtr node;
    if (const int64_t error = node_at(path, follow, node); error < 0) return error;
    return files_.status(*node, out);
  }
  int64_t status_of(int slot, struct ::stat& out) override { return open_[slot] ? open_[slot]->status(out) : -EBADF; }
  int64_t make_folder(const std::string& path, unsigned mode) override {
    return at_name(path, [&](const Found& found) { return files_.make_folder(found, mode); });
  }
  int64_t make_node(const std::string& path, unsigned mode) override {
    return at_name(path, [&](const Found& found) { return files_.make_node(found, mode, 0); });
  }
  int64_t make_link(const std::string& target, const std::string& path) override {
    if (target.empty()) return -ENOENT;
    if (target.size() > 4095) return -ENAMETOOLONG;
    return at_name(path, [&](const Found& found) { return files_.make_link(found, target); });
  }
  int64_t link(const std::string& from, const std::string& to, bool follow) override {
    NodePtr node;
    if (const int64_t error = node_at(from, follow, node); error < 0) return error;
    return at_name(to, [&](const Found& found) { return files_.link(node, found); });
  }
  int64_t unlink(const std::string& path, bool folder) override {
    return at_name(path, [&](const Found& found) { return files_.unlink(found, folder); });
  }
  int64_t rename(const std::string& from, const std::string& to, unsigned flags) override {
    if (flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) return -EINVAL;
    return at_name(from, [&](const Found& source) {
      return at_name(to, [&](const Found& target) { return files_.rename(source, target, flags); });
    });
  }
  int64_t read_link(const std::string& path, std::string& out) override {
    NodePtr node;
    if (const int64_t error = node_at(path, false, node); error < 0) return error;
    const int64_t error = files_.read_link(*node, out);
    return error < 0 ? error : static_cast<int64_t>(out.size());
  }
  int64_t change_mode(const std::string& path, unsigned mode) override {
    NodePtr node;
    if (const int64_t error = node_at(path, true, node); error < 0) return error;
    return files_.change_mode(*node, mode);
  }
  int64_t truncate(const std::string& path, int64_t size) override {
    NodePtr node;
    if (const int64_t error = node_at(path, true, node); error < 0) return error;
    if (size < 0) return -EINVAL;
    return files_.truncate(*node, static_cast<uint64_t>(size));
  }
  [[nodiscard]] const Account& account() const { return *files_.account(); }

 private:
  static std::optional<uint64_t> where(int64_t at) {
    return at < 0 ? std::nullopt : std::optional(static_cast<uint64_t>(at));
  }
  int64_t node_at(const std::string& path, bool follow, NodePtr& node) {
    Found found;
    if (const int64_t error = files_.resolve(place_, nullptr, path, follow, found); error < 0) return error;
    node = found.node;
    return node ? 0 : -ENOENT;
  }
  template <class Do>
  int64_t at_name(const std::string& path, Do act) {
    Found found;
    const int64_t error = files_.resolve_name(place_, nullptr, path, found);
    return error < 0 ? error : act(found);
  }

  uint64_t now_ = 0;
  FileSystem files_;
  Place place_;
  std::map<int, FilePtr> open_;
};

struct Random {
  std::mt19937_64 engine;
  size_t below(size_t n) { return engine() % n; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return *(all.begin() + below(all.size()));
  }
};

std::string path(Random& random) {
  std::string out;
  for (size_t n = random.one_of<size_t>({1, 1, 1, 2, 2, 3, 4}); n > 0; --n) {
    if (!out.empty()) out += random.one_of({"/", "/", "/", "//"});
    out += random.one_of({"a", "b", "c", "d", "a", "b", "a", "b", "c", "d", "a", "b", ".", ".."});
  }
  return random.below(8) == 0 ? out + "/" : random.below(100) == 0 ? "" : out;
}

std::string show(const struct ::stat& status) {
  std::string out = std::to_string(status.st_mode);
  if (S_ISDIR(status.st_mode)) return out + " links " + std::to_string(status.st_nlink);
  return out + " links " + std::to_string(status.st_nlink) + " size " + std::to_string(status.st_size);
}

/// One random call on `system`, as text: what was called, and what came of it. The same `random` gives the same call.
std::string step(System& system, Random random) {
  const int slot = static_cast<int>(random.below(4));
  std::string did, got;
  int64_t value = 0;
  const std::string first = path(random), second = path(random);
  struct ::stat status {};
  switch (random.below(24)) {
    case 0:
    case 1:
    case 2: {
      int flags = random.one_of({O_RDONLY, O_WRONLY, O_RDWR, O_RDWR}) | O_NONBLOCK;
      for (int flag : {O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE})
        if (random.below(flag == O_CREAT ? 2 : 8) == 0) flags |= flag;
      // What open(2) leaves undefined, or what differs between kernels.
      if ((flags & O_CREAT) != 0) flags &= ~(O_TMPFILE);
      if ((flags & O_CREAT) == 0) flags &= ~O_EXCL;
      did = "open " + std::to_string(slot) + " " + first + " " + std::to_string(flags);
      value = system.open(slot, first, flags, 0640);
      break;
    }
    case 3:
      did = "close " + std::to_string(slot);
      system.close(slot);
      break;
    case 4:
    case 5: {
      const int64_t at = random.one_of<int64_t>({-1, -1, 0, 5, 4095, 9000});
      did = "read " + std::to_string(slot) + " at " + std::to_string(at);
      value = system.read(slot, random.one_of<size_t>({0, 1, 100, 5000, 20000}), at, got);
      break;
    }
    case 6:
    case 7:
    case 8: {
      const int64_t at = random.one_of<int64_t>({-1, -1, 0, 7, 4090, 12345});
      did = "write " + std::to_string(slot) + " at " + std::to_string(at);
      const std::string bytes(random.one_of<size_t>({0, 1, 10, 4096, 6000}), static_cast<char>('A' + random.below(26)));
      value = system.write(slot, bytes, at);
      break;
    }
    case 9: {
      const int64_t to = random.one_of<int64_t>({0, 1, -1, 4096, 5000, 100000, INT64_MAX, INT64_MIN});
      const int whence = random.one_of({SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 77});
      did = "seek " + std::to_string(slot) + " " + std::to_string(to) + " " + std::to_string(whence);
      if (system.status_of(slot, status) == 0 && S_ISDIR(status.st_mode)) break;  // of each file system's own kind
      value = system.seek(slot, to, whence);
      break;
    }
    case 10: {
      const int64_t size = random.one_of<int64_t>({0, 3, 4096, 5001, 100000, -1});
      did = "ftruncate " + std::to_string(slot) + " " + std::to_string(size);
      value = system.set_size(slot, size);
      break;
    }
    case 11:
      did = "fstat " + std::to_string(slot);
      if ((value = system.status_of(slot, status)) == 0) got = show(status);
      break;
    case 12:
      did = "stat " + first;
      if ((value = system.status(first, true, status)) == 0) got = show(status);
      break;
    case 13:
      did = "lstat " + first;
      if ((value = system.status(first, false, status)) == 0) got = show(status);
      break;
    case 14:
    case 15:
      did = "mkdir " + first;
      value = system.make_folder(first, 0750);
      break;
    case 16: {
      const unsigned mode = random.one_of({S_IFREG, S_IFIFO, S_IFSOCK, 0}) | 0644u;
      did = "mknod " + first + " " + std::to_string(mode);
      value = system.make_node(first, mode);
      break;
    }
    case 17: {
      const std::string target = random.below(20) == 0 ? std::string(4096, 'x') : second;
      did = "symlink " + target + " " + first;
      value = system.make_link(target, first);
      break;
    }
    case 18: {
      const bool follow = random.below(2) == 0;
      did = "link " + first + " " + second + (follow ? " following" : "");
      value = system.link(first, second, follow);
      break;
    }
    case 19:
      did = "unlink " + first;
      value = system.unlink(first, false);
      break;
    case 20:
      did = "rmdir " + first;
      value = system.unlink(first, true);
      break;
    case 21: {
      const unsigned flags = random.one_of<unsigned>({0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, 3});
      did = "rename " + first + " " + second + " " + std::to_string(flags);
      value = system.rename(first, second, flags);
      break;
    }
    case 22:
      if (random.below(2) == 0) {
        did = "readlink " + first;
        value = system.read_link(first, got);
      } else {
        did = "chmod " + first;
        value = system.change_mode(first, random.one_of({0700u, 0755u, 0777u, 0740u}));
      }
      break;
    case 23:
      if (random.below(3) == 0) {
        const int64_t size = random.one_of<int64_t>({0, 10, 70000, -5});
        did = "truncate " + first;
        value = system.truncate(first, size);
      } else if (random.below(2) == 0) {
        const int mode = random.one_of({0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE});
        const int64_t at = random.one_of<int64_t>({0, 100, 4096, 9999, -1});
        did = "fallocate " + std::to_string(slot) + " " + std::to_string(mode) + " " + std::to_string(at);
        value = system.allocate(slot, mode, at, random.one_of<int64_t>({1, 4096, 10000, 0}));
      } else {
        did = "getdents " + std::to_string(slot);
        std::vector<std::string> names;
        value = system.seek(slot, 0, SEEK_SET) < 0 ? 0 : system.list(slot, names);
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) got += name + " ";
      }
      break;
  }
  return did + " = " + std::to_string(value) + (value < 0 ? "" : " " + got);
}

class SameAsLinux : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    mask_ = ::umask(022);
    char name[] = "/dev/shm/shrike-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    // Deep enough for every ".." that one path can have, so that none leaves it.
    std::filesystem::create_directories(top_ + below_);
    ::umask(0);
  }
  void TearDown() override {
    std::filesystem::remove_all(top_);
    ::umask(mask_);
  }
  std::string top_, below_ = "/1/2/3/4/5/6/7/8/9";
  mode_t mask_ = 0;
};

TEST_P(SameAsLinux, ForRandomCalls) {
  Host host(top_ + below_);
  Guest guest(below_);
  std::mt19937_64 seeds(static_cast<unsigned>(GetParam()));
  std::vector<std::string> trace;
  for (int i = 0; i < 4000; ++i) {
    const uint64_t seed = seeds();
    const std::string real = step(host, {std::mt19937_64(seed)}), ours = step(guest, {std::mt19937_64(seed)});
    trace.push_back(real.substr(0, 120));
    std::string last;
    for (size_t n = trace.size() > 60 ? trace.size() - 60 : 0; n < trace.size(); ++n) last += trace[n] + "\n";
    ASSERT_EQ(real.substr(0, 300), ours.substr(0, 300)) << "call " << i << " after:\n" << last;
    const auto differs = std::mismatch(real.begin(), real.end(), ours.begin(), ours.end()).first - real.begin();
    ASSERT_TRUE(real == ours) << "call " << i << ": other content from " << differs << " on, after:\n" << last;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SameAsLinux, testing::Range(1, 17));

}  // namespace
}  // namespace shrike::sandbox::microvm
