#pragma once
// Unmodified programs of this host on the virtual machine: the guest's Linux with KVM, without the jail around it.

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/kernel.h"
#include "sandbox/microvm/machine/machine.h"

namespace shrike::sandbox::microvm::testing {

/// This host's programs and libraries, as the tree below.
class ProgramsTree final : public Tree {
 public:
  Result<std::vector<TreeEntry>> list(uint64_t folder) override {
    if (folder == tree_root) return top();
    std::vector<TreeEntry> entries;
    const std::string path = paths_.at(folder);
    DIR* open = ::opendir(path.c_str());
    if (open == nullptr) return errno_error(path);
    while (const dirent* entry = ::readdir(open)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") add(path + "/" + name, entries);
    }
    ::closedir(open);
    return entries;
  }
  Result<TreeEntry> look(uint64_t number) override {
    struct ::stat status {};
    const std::string& path = paths_.at(number);
    if (::lstat(path.c_str(), &status) != 0) return errno_error(path);
    TreeEntry entry;
    entry.number = number;
    entry.mode = status.st_mode;
    entry.size_bytes = static_cast<uint64_t>(status.st_size);
    if (S_ISLNK(status.st_mode)) {
      entry.target.resize(4096);
      entry.target.resize(static_cast<size_t>(
          std::max<ssize_t>(0, ::readlink(path.c_str(), entry.target.data(), entry.target.size()))));
    }
    return entry;
  }
  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
    const Fd fd(::open(paths_.at(file).c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = ::pread(fd.get(), out.data(), out.size(), static_cast<off_t>(at));
    if (got < 0) return errno_error(paths_.at(file));
    return static_cast<size_t>(got);
  }

 private:
  std::vector<TreeEntry> top() {
    std::vector<TreeEntry> entries;
    for (const char* name : {"/usr", "/bin", "/lib", "/lib64", "/sbin"}) add(name, entries);
    return entries;
  }
  void add(const std::string& path, std::vector<TreeEntry>& entries) {
    struct ::stat status {};
    if (::lstat(path.c_str(), &status) != 0) return;
    TreeEntry entry;
    entry.number = next_++;
    entry.name = path.substr(path.rfind('/') + 1);
    entry.mode = status.st_mode & S_IFMT;
    paths_[entry.number] = path;
    entries.push_back(entry);
  }
  std::map<uint64_t, std::string> paths_{{tree_root, "/"}};
  uint64_t next_ = tree_root + 1;
};

/// One job, run whole.
class Ran : public CallSink {
 public:
  Ran(const std::vector<std::string>& words, const std::string& script = {}) {
    auto machine = Machine::create(256u << 20);
    EXPECT_TRUE(machine.ok()) << (machine.ok() ? "" : machine.error().message);
    if (!machine.ok()) return;
    FileSystem files(std::make_unique<ProgramsTree>(), FileQuota{}, [] { return wall_now_ns(); });
    furnish(files, "host", 1);
    if (!script.empty()) {
      EXPECT_EQ(files.put("/tmp/script", 0755, script), 0);
    }
    KernelOptions options;
    options.seed = 1;
    options.wall_start_ns = wall_now_ns();
    options.host_ns = [] { return boot_now_ns(); };
    options.output = [this](int fd, std::string_view text) { (fd == 1 ? out : err).append(text); };
    Kernel kernel(**machine, (*machine)->physical(), files, *this, std::move(options));
    const auto started = kernel.start(words.front(), words, {"PATH=/usr/bin:/bin", "LANG=C"}, "/tmp", nullptr);
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().message);
    if (started.ok()) kernel.run(report);
  }
  void call(const Call& call) override { told.push_back(call); }

  Report report;
  std::string out, err;
  std::vector<Call> told;
};

}  // namespace shrike::sandbox::microvm::testing
