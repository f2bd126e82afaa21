#include "sandbox/paths.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

namespace shrike::sandbox {

namespace {

constexpr size_t processes_max = 4096;
constexpr size_t folders_max = 1024;            // of one process
constexpr size_t folder_bytes_max = 16u << 20;  // of all

/// Which argument is the descriptor that a path is relative to; -1: the working directory.
int base_argument(int number, bool second) {
  switch (number) {
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
      return second ? 2 : 0;
    case SYS_symlinkat:
      return second ? 1 : -1;
    case SYS_openat:
    case SYS_openat2:
    case SYS_mkdirat:
    case SYS_mknodat:
    case SYS_fchownat:
    case SYS_newfstatat:
    case SYS_unlinkat:
    case SYS_readlinkat:
    case SYS_fchmodat:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_utimensat:
    case SYS_statx:
    case SYS_execveat:
      return 0;
    default:
      return -1;
  }
}

bool opens(int number) {
  return number == SYS_open || number == SYS_openat || number == SYS_openat2 || number == SYS_creat;
}

const std::string* full_path(const Call& call) {
  for (const auto& text : call.texts)
    if (text.kind == TextKind::full_path) return &text.text;
  return nullptr;
}

}  // namespace

std::string join_path(std::string_view base, std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::string_view rest : {path.starts_with('/') ? std::string_view() : base, path}) {
    while (!rest.empty()) {
      const auto part = rest.substr(0, rest.find('/'));
      rest.remove_prefix(std::min(rest.size(), part.size() + 1));
      if (part == ".." && !parts.empty()) parts.pop_back();
      if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    }
  }
  std::string joined;
  for (const auto part : parts) joined.append("/").append(part);
  return joined.empty() ? "/" : joined;
}

Paths::Process& Paths::process(uint32_t pid) {
  const auto found = processes_.find(pid);
  if (found != processes_.end()) return found->second;
  if (processes_.size() >= processes_max) forget(processes_.begin()->first);
  auto& p = processes_[pid];
  p.cwd = cwd_;
  return p;
}

std::string Paths::absolute(const Process& p, int32_t at, std::string_view path) {
  const auto folder = p.folders.find(at);
  return join_path(folder == p.folders.end() ? p.cwd : folder->second, path);
}

void Paths::complete(Call& call) {
  if (call.abi != CallAbi::x86_64) return;
  const size_t count = call.texts.size();
  for (size_t i = 0; i < count && call.texts.size() < call_texts_max; ++i) {
    const bool second = call.texts[i].kind == TextKind::path2;
    if (!second && call.texts[i].kind != TextKind::path) continue;
    // A link's target is text, and no path yet.
    if (!second && (call.number == SYS_symlink || call.number == SYS_symlinkat)) continue;
    if (!second && call.number == SYS_mount) continue;
    const int argument = base_argument(call.number, second);
    const auto at = argument < 0 ? AT_FDCWD : static_cast<int32_t>(call.args[static_cast<size_t>(argument)]);
    auto& p = process(call.pid);
    // A descriptor we know nothing of: better nothing than something wrong.
    if (at != AT_FDCWD && !call.texts[i].text.starts_with('/') && !p.folders.contains(at)) continue;
    call.texts.push_back({second ? TextKind::full_path2 : TextKind::full_path, absolute(p, at, call.texts[i].text)});
  }
}

void Paths::follow(const Call& call) {
  if (call.abi != CallAbi::x86_64 || call.result < 0 || (call.flags & call_denied) != 0) return;
  auto& p = process(call.pid);
  const auto fd = static_cast<int32_t>(call.args[0]);
  const auto from = p.folders.find(fd);
  const auto copy_to = [&](int64_t to) {
    if (to == fd) return;
    if (from == p.folders.end())
      forget_folder(p, to);
    else
      keep_folder(p, to, std::string(from->second));
  };
  if (const auto* path = full_path(call)) {
    if (call.number == SYS_chdir) p.cwd = *path;
    if (opens(call.number)) keep_folder(p, call.result, *path);
  } else if (opens(call.number)) {
    forget_folder(p, call.result);
  }
  if (call.number == SYS_fchdir && from != p.folders.end()) p.cwd = from->second;
  if (call.number == SYS_close) forget_folder(p, fd);
  if (call.number == SYS_dup || call.number == SYS_dup2 || call.number == SYS_dup3) copy_to(call.result);
  if (call.number == SYS_fcntl && (call.args[1] == F_DUPFD || call.args[1] == F_DUPFD_CLOEXEC)) copy_to(call.result);
}

void Paths::forget_folder(Process& p, int64_t fd) {
  const auto old = p.folders.find(static_cast<int32_t>(fd));
  if (old == p.folders.end()) return;
  folder_bytes_ -= old->second.size();
  p.folders.erase(old);
}

/// Where there is no room it is not known: a path relative to it stays as it is.
void Paths::keep_folder(Process& p, int64_t fd, const std::string& path) {
  forget_folder(p, fd);
  if (p.folders.size() >= folders_max || folder_bytes_ + path.size() > folder_bytes_max) return;
  folder_bytes_ += path.size();
  p.folders[static_cast<int32_t>(fd)] = path;
}

void Paths::forget(uint32_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  for (const auto& [fd, path] : found->second.folders) folder_bytes_ -= path.size();
  processes_.erase(found);
}

void Paths::call(const Call& given) {
  if (given.kind == CallKind::start && given.tid == given.pid) {
    const Process parent = process(static_cast<uint32_t>(given.args[0]));
    forget(given.pid);
    auto& child = process(given.pid);
    child.cwd = parent.cwd;
    for (const auto& [fd, path] : parent.folders) keep_folder(child, fd, path);
  }
  if (given.kind == CallKind::exit && given.args[1] == 1) forget(given.pid);
  if (given.kind != CallKind::call) return next_.call(given);
  if (given.texts.empty()) {
    follow(given);
    return next_.call(given);
  }
  Call call = given;
  complete(call);
  follow(call);
  next_.call(call);
}

}  // namespace shrike::sandbox
