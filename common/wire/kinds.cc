#include <algorithm>
#include <array>
#include <utility>

#include "common/wire/event.h"
#include "common/wire/filter.h"

namespace shrike {
namespace {
using K = EventKind;
constexpr std::array names = std::to_array<std::pair<K, std::string_view>>({
    {K::fork, "fork"},
    {K::exec, "exec"},
    {K::exec_failed, "exec_failed"},
    {K::exit, "exit"},
    {K::task, "task"},
    {K::open, "open"},
    {K::rename, "rename"},
    {K::unlink, "unlink"},
    {K::link, "link"},
    {K::symlink, "symlink"},
    {K::mkdir, "mkdir"},
    {K::rmdir, "rmdir"},
    {K::chmod, "chmod"},
    {K::chown, "chown"},
    {K::truncate, "truncate"},
    {K::setxattr, "setxattr"},
    {K::mount, "mount"},
    {K::umount, "umount"},
    {K::pivot_root, "pivot_root"},
    {K::chroot, "chroot"},
    {K::socket, "socket"},
    {K::bind, "bind"},
    {K::listen, "listen"},
    {K::accept, "accept"},
    {K::connect, "connect"},
    {K::sendto, "sendto"},
    {K::dup, "dup"},
    {K::tcp_state, "tcp_state"},
    {K::setid, "setid"},
    {K::capset, "capset"},
    {K::setns, "setns"},
    {K::unshare, "unshare"},
    {K::ptrace, "ptrace"},
    {K::vm_access, "vm_access"},
    {K::bpf, "bpf"},
    {K::perf_event, "perf_event"},
    {K::module_load, "module_load"},
    {K::module_unload, "module_unload"},
    {K::kexec, "kexec"},
    {K::memfd, "memfd"},
    {K::map_wx, "map_wx"},
    {K::userfaultfd, "userfaultfd"},
    {K::prctl, "prctl"},
    {K::keyctl, "keyctl"},
    {K::signal, "signal"},
    {K::uring_setup, "uring_setup"},
    {K::uring_op, "uring_op"},
    {K::toctou, "toctou"},
    {K::sequence, "sequence"},
    {K::denied, "denied"},
    {K::call, "call"},
    {K::detonation, "detonation"},
    {K::command, "command"},
});
}  // namespace

std::string_view kind_name(EventKind kind) {
  const auto* at = std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.first == kind; });
  return at == names.end() ? "none" : at->second;
}

std::optional<EventKind> kind_named(std::string_view name) {
  const auto* at = std::find_if(names.begin(), names.end(), [&](const auto& entry) { return entry.second == name; });
  if (at == names.end()) return std::nullopt;
  return at->first;
}

void FilterSpec::merge(const FilterSpec& other) {
  // Success-only survives only where both agree, or where the other side does not want the kind at all.
  success_only = (success_only & (other.success_only | ~other.kinds)) | (other.success_only & ~kinds);
  kinds |= other.kinds;
  any_path |= other.any_path;
  for (const auto& [prefix, access] : other.prefixes) prefixes[prefix] |= access;
  for (const auto& [name, access] : other.names) {
    names[name].any |= access.any;
    names[name].last |= access.last;
  }
  for (const auto& [name, wanted] : other.objects) {
    Objects& mine = objects[name];
    mine.sets |= wanted.sets;
    mine.access |= wanted.access;
    mine.keep |= wanted.keep;
    for (const std::string& path : wanted.paths)
      if (std::find(mine.paths.begin(), mine.paths.end(), path) == mine.paths.end()) mine.paths.push_back(path);
  }
  denials.insert(denials.end(), other.denials.begin(), other.denials.end());
}

}  // namespace shrike
