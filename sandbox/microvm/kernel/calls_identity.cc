// Who a process is: users, groups, capabilities, process groups, sessions. The guest begins as root and may give that
// up.

#include <linux/capability.h>

#include <algorithm>

#include "sandbox/microvm/kernel/handlers.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint32_t unchanged = UINT32_MAX;
constexpr uint64_t all_capabilities = 0x1ff'ffff'ffff;

bool may(const Credentials& who, int capability) { return (who.effective >> capability & 1) != 0; }

// What becomes of capabilities when the user ids change (capabilities(7)).
void after_user_change(Credentials& who, bool had_root) {
  const bool has_root = who.uid == 0 || who.euid == 0 || who.suid == 0;
  if (had_root && !has_root && (who.secure_bits & 1 << 4) == 0) who.permitted = who.effective = who.ambient = 0;
  if (who.euid != 0)
    who.effective = 0;
  else
    who.effective = who.permitted;
}

struct Ids {
  uint32_t Credentials::*real;
  uint32_t Credentials::*effective;
  uint32_t Credentials::*saved;
  uint32_t Credentials::*file;
  int capability;
};
constexpr Ids users{&Credentials::uid, &Credentials::euid, &Credentials::suid, &Credentials::fsuid, CAP_SETUID};
constexpr Ids groups{&Credentials::gid, &Credentials::egid, &Credentials::sgid, &Credentials::fsgid, CAP_SETGID};

int64_t set_ids(Credentials& who, const Ids& ids, uint32_t real, uint32_t effective, uint32_t saved) {
  const bool had_root = who.uid == 0 || who.euid == 0 || who.suid == 0;
  const auto allowed = [&](uint32_t id) {
    return id == unchanged || may(who, ids.capability) || id == who.*ids.real || id == who.*ids.effective ||
           id == who.*ids.saved;
  };
  if (!allowed(real) || !allowed(effective) || !allowed(saved)) return -EPERM;
  if (real != unchanged) who.*ids.real = real;
  if (effective != unchanged) who.*ids.effective = who.*ids.file = effective;
  if (saved != unchanged) who.*ids.saved = saved;
  if (ids.capability == CAP_SETUID) after_user_change(who, had_root);
  return 0;
}

int64_t set_id(Credentials& who, const Ids& ids, uint32_t id) {
  if (id == unchanged) return -EINVAL;
  return may(who, ids.capability) ? set_ids(who, ids, id, id, id) : set_ids(who, ids, unchanged, id, unchanged);
}

// setreuid and setregid also change the saved id.
int64_t set_two(Credentials& who, const Ids& ids, uint32_t real, uint32_t effective) {
  const uint32_t real_before = who.*ids.real;
  const bool save = real != unchanged || (effective != unchanged && effective != real_before);
  if (const int64_t error = set_ids(who, ids, real, effective, unchanged); error < 0) return error;
  if (save) who.*ids.saved = who.*ids.effective;
  return 0;
}

int64_t set_file_id(Credentials& who, const Ids& ids, uint32_t id) {
  const uint32_t before = who.*ids.file;
  if (id == who.*ids.real || id == who.*ids.effective || id == who.*ids.saved || may(who, ids.capability))
    if (id != unchanged) who.*ids.file = id;
  return before;
}

int64_t get_three(Request& request, const Ids& ids) {
  const Credentials& who = request.process.credentials;
  return request.memory.put(request.args[0], who.*ids.real) &&
                 request.memory.put(request.args[1], who.*ids.effective) &&
                 request.memory.put(request.args[2], who.*ids.saved)
             ? 0
             : -EFAULT;
}

uint32_t argument(const Request& request, size_t index) { return static_cast<uint32_t>(request.args[index]); }
}  // namespace

int64_t on_getuid(Request& request) { return request.process.credentials.uid; }
int64_t on_geteuid(Request& request) { return request.process.credentials.euid; }
int64_t on_getgid(Request& request) { return request.process.credentials.gid; }
int64_t on_getegid(Request& request) { return request.process.credentials.egid; }
int64_t on_getresuid(Request& request) { return get_three(request, users); }
int64_t on_getresgid(Request& request) { return get_three(request, groups); }

int64_t on_setuid(Request& request) { return set_id(request.process.credentials, users, argument(request, 0)); }
int64_t on_setgid(Request& request) { return set_id(request.process.credentials, groups, argument(request, 0)); }
int64_t on_setreuid(Request& request) {
  return set_two(request.process.credentials, users, argument(request, 0), argument(request, 1));
}
int64_t on_setregid(Request& request) {
  return set_two(request.process.credentials, groups, argument(request, 0), argument(request, 1));
}
int64_t on_setresuid(Request& request) {
  return set_ids(request.process.credentials, users, argument(request, 0), argument(request, 1), argument(request, 2));
}
int64_t on_setresgid(Request& request) {
  return set_ids(request.process.credentials, groups, argument(request, 0), argument(request, 1), argument(request, 2));
}
int64_t on_setfsuid(Request& request) { return set_file_id(request.process.credentials, users, argument(request, 0)); }
int64_t on_setfsgid(Request& request) { return set_file_id(request.process.credentials, groups, argument(request, 0)); }

int64_t on_getgroups(Request& request) {
  const std::vector<uint32_t>& list = request.process.credentials.groups;
  const int size = request.number(0);
  if (size < 0) return -EINVAL;
  if (size == 0) return static_cast<int64_t>(list.size());
  if (static_cast<size_t>(size) < list.size()) return -EINVAL;
  return request.memory.write(request.args[1], std::as_bytes(std::span(list))) ? static_cast<int64_t>(list.size())
                                                                               : -EFAULT;
}

int64_t on_setgroups(Request& request) {
  if (!may(request.process.credentials, CAP_SETGID)) return -EPERM;
  std::vector<uint32_t> list;
  if (const int64_t error = request.memory.list(request.args[1], argument(request, 0), 65536, list); error < 0)
    return error;
  request.process.credentials.groups = std::move(list);
  return 0;
}

namespace {
// Version 1 has one pair of words, 2 and 3 have two. 0: unknown, and the program is told version 3.
int64_t capability_words(Request& request, __user_cap_header_struct& header) {
  if (!request.memory.get(request.args[0], header)) return -EFAULT;
  if (header.version == _LINUX_CAPABILITY_VERSION_1) return 1;
  if (header.version == _LINUX_CAPABILITY_VERSION_2 || header.version == _LINUX_CAPABILITY_VERSION_3) return 2;
  header.version = _LINUX_CAPABILITY_VERSION_3;
  return request.memory.put(request.args[0], header) ? 0 : -EFAULT;
}
}  // namespace

int64_t on_capget(Request& request) {
  __user_cap_header_struct header{};
  const int64_t words = capability_words(request, header);
  if (words < 0) return words;
  if (words == 0) return request.args[1] == 0 ? 0 : -EINVAL;
  if (header.pid < 0) return -EINVAL;
  const Process* process =
      header.pid == 0 ? &request.process : request.system.find_process(static_cast<uint32_t>(header.pid));
  if (process == nullptr) return -ESRCH;
  if (request.args[1] == 0) return 0;
  const Credentials& who = process->credentials;
  std::array<__user_cap_data_struct, 2> data{};
  for (size_t i = 0; i < 2; ++i)
    data[i] = {static_cast<uint32_t>(who.effective >> (32 * i)), static_cast<uint32_t>(who.permitted >> (32 * i)),
               static_cast<uint32_t>(who.inheritable >> (32 * i))};
  const auto bytes = std::as_bytes(std::span(data).first(static_cast<size_t>(words)));
  return request.memory.write(request.args[1], bytes) ? 0 : -EFAULT;
}

int64_t on_capset(Request& request) {
  __user_cap_header_struct header{};
  const int64_t words = capability_words(request, header);
  if (words <= 0) return words == 0 ? -EINVAL : words;
  if (header.pid != 0 && static_cast<uint32_t>(header.pid) != request.process.pid) return -EPERM;
  std::array<__user_cap_data_struct, 2> data{};
  if (!request.memory.read(request.args[1], std::as_writable_bytes(std::span(data).first(static_cast<size_t>(words)))))
    return -EFAULT;
  const auto joined = [&](auto member) {
    return (data[0].*member | static_cast<uint64_t>(data[1].*member) << 32) & all_capabilities;
  };
  Credentials& who = request.process.credentials;
  const uint64_t effective = joined(&__user_cap_data_struct::effective);
  const uint64_t permitted = joined(&__user_cap_data_struct::permitted);
  if ((permitted & ~who.permitted) != 0 || (effective & ~permitted) != 0) return -EPERM;
  who.effective = effective;
  who.permitted = permitted;
  who.inheritable = joined(&__user_cap_data_struct::inheritable);
  return 0;
}

int64_t on_getpid(Request& request) { return request.process.pid; }
int64_t on_gettid(Request& request) { return request.thread.tid; }
int64_t on_getppid(Request& request) { return request.process.parent; }
int64_t on_getpgrp(Request& request) { return request.process.group; }

int64_t on_getpgid(Request& request) {
  if (request.args[0] == 0) return request.process.group;
  const Process* process = request.system.find_process(argument(request, 0));
  return process == nullptr ? -ESRCH : static_cast<int64_t>(process->group);
}

int64_t on_getsid(Request& request) {
  if (request.args[0] == 0) return request.process.session;
  const Process* process = request.system.find_process(argument(request, 0));
  return process == nullptr ? -ESRCH : static_cast<int64_t>(process->session);
}

int64_t on_setpgid(Request& request) {
  if (request.number(1) < 0) return -EINVAL;
  const uint32_t pid = request.args[0] == 0 ? request.process.pid : argument(request, 0);
  const uint32_t group = argument(request, 1) == 0 ? pid : argument(request, 1);
  Process* process = request.system.find_process(pid);
  const bool own_child = process != nullptr && process->parent == request.process.pid;
  if (process == nullptr || (process != &request.process && !own_child)) return -ESRCH;
  if (own_child && process->executed) return -EACCES;
  if (process->session != request.process.session || process->session == process->pid) return -EPERM;
  const auto in_group = [&](const auto& entry) {
    return entry.second->group == group && entry.second->session == process->session;
  };
  if (group != pid && std::none_of(request.system.table.begin(), request.system.table.end(), in_group)) return -EPERM;
  process->group = group;
  return 0;
}

int64_t on_setsid(Request& request) {
  Process& process = request.process;
  const auto leads = [&](const auto& entry) { return entry.second->group == process.pid; };
  if (std::any_of(request.system.table.begin(), request.system.table.end(), leads)) return -EPERM;
  process.group = process.session = process.pid;
  return process.pid;
}

}  // namespace shrike::sandbox::microvm
