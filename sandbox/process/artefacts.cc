#include "sandbox/process/artefacts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "common/base/fd.h"
#include "sandbox/job_files.h"

namespace shrike::sandbox::process {

namespace {

constexpr int depth_max = 128;  // deeper folders are not looked into; each takes a descriptor meanwhile
constexpr uint64_t hashed_bytes_max = 1ull << 30;  // of all together

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// `covered`: another mount stands on it.
using Visit =
    std::function<void(int folder_fd, const char* name, const std::string& path, const struct stat& st, bool covered)>;

void walk(int folder_fd, dev_t device, const std::string& path, int depth, const Visit& visit) {
  Fd again(::openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again.valid()) return;
  const std::unique_ptr<DIR, CloseFolder> folder(::fdopendir(again.get()));
  if (!folder) return;
  const int fd = again.release();  // the stream's
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat st {};
    if (::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) continue;
    const std::string where = path + "/" + name;
    const bool covered = st.st_dev != device;
    if (covered || !S_ISDIR(st.st_mode)) {
      visit(fd, name.c_str(), where, st, covered);
      continue;
    }
    const Fd below(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below.valid() && depth < depth_max) walk(below.get(), device, where, depth + 1, visit);
  }
}

void walk_all(int root_fd, const Visit& visit) {
  struct stat st {};
  if (::fstat(root_fd, &st) == 0) walk(root_fd, st.st_dev, "", 0, visit);
}

FileStamp stamp_of(const struct stat& st) {
  return {st.st_ino, static_cast<int64_t>(st.st_ctim.tv_sec) * 1'000'000'000 + st.st_ctim.tv_nsec};
}

}  // namespace

FileStamps list_files(int root_fd) {
  FileStamps all;
  walk_all(root_fd, [&](int, const char*, const std::string& path, const struct stat& st, bool covered) {
    all[path] = covered ? FileStamp{} : stamp_of(st);
  });
  return all;
}

std::vector<Artefact> find_artefacts(int root_fd, const FileStamps& before, size_t most, uint64_t& dropped) {
  std::vector<Artefact> found;
  uint64_t hashed = 0;
  walk_all(root_fd, [&](int folder, const char* name, const std::string& path, const struct stat& st, bool covered) {
    const auto old = before.find(path);
    // What was mounted there is gone with its processes, and shows what it stood on.
    if (covered || (old != before.end() && (old->second == FileStamp{} || old->second == stamp_of(st)))) return;
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) return;
    if (found.size() >= most) {
      ++dropped;
      return;
    }
    Artefact artefact{path, static_cast<uint64_t>(st.st_size), {}};
    // A hole costs the program nothing and us the time to read it: so there is an end.
    if (S_ISREG(st.st_mode) && hashed + artefact.size_bytes <= hashed_bytes_max) {
      hashed += artefact.size_bytes;
      const Fd file(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
      if (auto hash = file.valid() ? sha256_of_file(file.get()) : Result<std::string>(Error{}); hash)
        artefact.sha256 = *hash;
    }
    found.push_back(std::move(artefact));
  });
  return found;
}

}  // namespace shrike::sandbox::process
