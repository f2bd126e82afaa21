#include "agent/probe/object_resolver.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>

#include "common/base/mounts.h"

namespace shrike::probe {
namespace {

constexpr size_t names_max = 1024;    // that one pattern may stand for
constexpr size_t replaced_max = 256;  // files that are remembered after their path was given to another
constexpr size_t objects_max = SHRIKE_OBJECT_SLOTS / 2;

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// Whether a name on the way from `head` on is a symbolic link.
bool led_by_link(const std::string& path, size_t head) {
  for (size_t at = path.find('/', head + 1);; at = path.find('/', at + 1)) {
    struct stat st {};
    if (::lstat(path.substr(0, at).c_str(), &st) != 0 || S_ISLNK(st.st_mode)) return true;
    if (at == std::string::npos) return false;
  }
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::vector<ResolvedObject> ObjectResolver::resolve() {
  std::map<std::string, Found> now;
  left_out_ = 0;
  for (const auto& [name, wanted] : objects_)
    for (const std::string& path : wanted.paths) {
      if (is_pattern(path)) {
        expand(path, wanted, now);
      } else {
        add(path, wanted, now);
      }
    }
  devices_.clear();
  keep_replaced(now);
  found_ = std::move(now);
  std::vector<ResolvedObject> out;
  for (const auto& [path, found] : found_) out.push_back(found.object);
  for (const Found& found : replaced_) out.push_back(found.object);
  if (out.size() > objects_max) {
    left_out_ += out.size() - objects_max;
    out.resize(objects_max);
  }
  return out;
}

void ObjectResolver::add(const std::string& path, const FilterSpec::Objects& wanted,
                         std::map<std::string, Found>& now) {
  if (const auto known = now.find(path); known != now.end()) {
    known->second.object.sets |= wanted.sets;
    known->second.object.access |= wanted.access;
    if (wanted.keep) hold(path, known->second);
    return;
  }
  struct statx st {};
  if (path.empty() || path[0] != '/' ||
      ::statx(AT_FDCWD, path.c_str(), AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO | STATX_MNT_ID, &st) != 0)
    return;
  Found found;
  found.object = {.inode = st.stx_ino,
                  .device = device_number(st.stx_dev_major, st.stx_dev_minor),
                  .sets = wanted.sets,
                  .access = wanted.access,
                  .folder = S_ISDIR(st.stx_mode)};
  if (st.stx_dev_major == 0 && (st.stx_mask & STATX_MNT_ID) != 0) {
    if (devices_.empty()) devices_ = devices_of_mounts();
    if (const auto device = devices_.find(st.stx_mnt_id); device != devices_.end())
      found.object.device = device->second;
  }
  const auto before = found_.find(path);
  if (before != found_.end() && is_same(before->second, found)) {
    Found again = before->second;
    again.object = found.object;
    if (wanted.keep) hold(path, again);
    now.emplace(path, std::move(again));
    return;
  }
  if (wanted.keep) hold(path, found);
  alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  auto* handle = reinterpret_cast<file_handle*>(room);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (!found.object.folder && ::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, AT_SYMLINK_FOLLOW) == 0) {
    found.handle_type = handle->handle_type;
    found.handle.assign(reinterpret_cast<const char*>(handle->f_handle), handle->handle_bytes);
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    found.folder = folder_of(real != nullptr ? real.get() : path);
  }
  now.emplace(path, std::move(found));
}

bool ObjectResolver::is_same(const Found& a, const Found& b) {
  return a.object.inode == b.object.inode && a.object.device == b.object.device;
}

// Not of folders: they are no programs, and a file system must not be kept busy for them.
void ObjectResolver::hold(const std::string& path, Found& found) {
  if (found.object.folder || found.held != nullptr) return;
  Fd held(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat st {};
  if (held.valid() && ::fstat(held.get(), &st) == 0 && st.st_ino == found.object.inode)
    found.held = std::make_shared<Fd>(std::move(held));
}

void ObjectResolver::expand(const std::string& pattern, const FilterSpec::Objects& wanted,
                            std::map<std::string, Found>& now) {
  glob_t names{};
  const size_t head = pattern.rfind('/', pattern.find_first_of("*?["));
  if (head != std::string::npos && ::glob(pattern.c_str(), GLOB_NOSORT | GLOB_PERIOD, nullptr, &names) == 0) {
    for (size_t i = 0; i < names.gl_pathc; ++i) {
      const std::string path = names.gl_pathv[i];
      const std::string last = path.substr(path.rfind('/') + 1);
      if (last == "." || last == ".." || led_by_link(path, head)) continue;
      if (i >= names_max) {
        ++left_out_;
        continue;
      }
      add(path, wanted, now);
    }
  }
  ::globfree(&names);
}

void ObjectResolver::keep_replaced(const std::map<std::string, Found>& now) {
  for (const auto& [path, old] : found_) {
    const auto at = now.find(path);
    if ((at != now.end() && is_same(at->second, old)) || (old.handle.empty() && old.held == nullptr)) continue;
    if (replaced_.size() == replaced_max) replaced_.erase(replaced_.begin());
    replaced_.push_back(old);
  }
  std::erase_if(replaced_, [](const Found& found) {
    if (found.held != nullptr) return false;
    alignas(file_handle) char room[sizeof(file_handle) + MAX_HANDLE_SZ];
    auto* handle = reinterpret_cast<file_handle*>(room);
    handle->handle_bytes = static_cast<unsigned>(found.handle.size());
    handle->handle_type = found.handle_type;
    found.handle.copy(reinterpret_cast<char*>(handle->f_handle), MAX_HANDLE_SZ);
    const Fd folder(::open(found.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const Fd file(folder.valid() ? ::open_by_handle_at(folder.get(), handle, O_PATH | O_CLOEXEC) : -1);
    struct stat st {};
    return !file.valid() || ::fstat(file.get(), &st) != 0 || st.st_nlink == 0 || st.st_ino != found.object.inode;
  });
}

}  // namespace shrike::probe
