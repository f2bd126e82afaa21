#include <algorithm>
#include <array>

#include "scoring/rules/names.h"

namespace shrike::scoring {
namespace {

struct Call {
  std::string_view name;
  int16_t x86_64;  // -1: none
  int16_t i386;
  int16_t i386_wide;  // a second number with the same meaning (chown32, truncate64), or -1
  KindSet kinds;
};
using K = EventKind;

// The first call of a kind is what events of that kind without a number are called.
constexpr std::array calls = std::to_array<Call>({
    {"clone", 56, 120, -1, {K::fork}},
    {"fork", 57, 2, -1, {K::fork}},
    {"vfork", 58, 190, -1, {K::fork}},
    {"clone3", 435, 435, -1, {K::fork}},
    {"execve", 59, 11, -1, {K::exec, K::exec_failed}},
    {"execveat", 322, 358, -1, {K::exec, K::exec_failed}},
    {"procexit", -1, -1, -1, {K::exit}},
    {"task", -1, -1, -1, {K::task}},
    {"openat", 257, 295, -1, {K::open, K::toctou}},
    {"open", 2, 5, -1, {K::open, K::toctou}},
    {"openat2", 437, 437, -1, {K::open, K::toctou}},
    {"creat", 85, 8, -1, {K::open, K::toctou}},
    {"open_by_handle_at", 304, 342, -1, {K::open}},
    {"rename", 82, 38, -1, {K::rename, K::toctou}},
    {"renameat", 264, 302, -1, {K::rename, K::toctou}},
    {"renameat2", 316, 353, -1, {K::rename, K::toctou}},
    {"unlink", 87, 10, -1, {K::unlink, K::toctou}},
    {"unlinkat", 263, 301, -1, {K::unlink, K::rmdir, K::toctou}},
    {"link", 86, 9, -1, {K::link, K::toctou}},
    {"linkat", 265, 303, -1, {K::link, K::toctou}},
    {"symlink", 88, 83, -1, {K::symlink, K::toctou}},
    {"symlinkat", 266, 304, -1, {K::symlink, K::toctou}},
    {"mkdir", 83, 39, -1, {K::mkdir, K::toctou}},
    {"mkdirat", 258, 296, -1, {K::mkdir, K::toctou}},
    {"rmdir", 84, 40, -1, {K::rmdir, K::toctou}},
    {"chmod", 90, 15, -1, {K::chmod, K::toctou}},
    {"fchmod", 91, 94, -1, {K::chmod}},
    {"fchmodat", 268, 306, -1, {K::chmod, K::toctou}},
    {"fchmodat2", 452, 452, -1, {K::chmod, K::toctou}},
    {"chown", 92, 182, 212, {K::chown, K::toctou}},
    {"fchown", 93, 95, 207, {K::chown}},
    {"lchown", 94, 16, 198, {K::chown, K::toctou}},
    {"fchownat", 260, 298, -1, {K::chown, K::toctou}},
    {"truncate", 76, 92, 193, {K::truncate, K::toctou}},
    {"ftruncate", 77, 93, 194, {K::truncate}},
    {"setxattr", 188, 226, -1, {K::setxattr, K::toctou}},
    {"lsetxattr", 189, 227, -1, {K::setxattr, K::toctou}},
    {"fsetxattr", 190, 228, -1, {K::setxattr}},
    {"setxattrat", 463, 463, -1, {K::setxattr, K::toctou}},
    {"mount", 165, 21, -1, {K::mount, K::toctou}},
    {"move_mount", 429, 429, -1, {K::mount, K::toctou}},
    {"open_tree", 428, 428, -1, {K::mount, K::toctou}},
    {"fsopen", 430, 430, -1, {K::mount}},
    {"fsmount", 432, 432, -1, {K::mount}},
    {"mount_setattr", 442, 442, -1, {K::mount, K::toctou}},
    {"umount2", 166, 52, -1, {K::umount, K::toctou}},
    {"umount", -1, 22, -1, {K::umount, K::toctou}},
    {"pivot_root", 155, 217, -1, {K::pivot_root, K::toctou}},
    {"chroot", 161, 61, -1, {K::chroot, K::toctou}},
    {"socket", 41, 359, -1, {K::socket}},
    {"socketpair", 53, 360, -1, {K::socket}},
    {"bind", 49, 361, -1, {K::bind, K::toctou}},
    {"listen", 50, 363, -1, {K::listen}},
    {"accept", 43, -1, -1, {K::accept}},
    {"accept4", 288, 364, -1, {K::accept}},
    {"connect", 42, 362, -1, {K::connect, K::toctou}},
    {"sendto", 44, 369, -1, {K::sendto, K::toctou}},
    {"sendmsg", 46, 370, -1, {K::sendto, K::toctou}},
    {"sendmmsg", 307, 345, -1, {K::sendto, K::toctou}},
    {"dup2", 33, 63, -1, {K::dup}},
    {"dup", 32, 41, -1, {K::dup}},
    {"dup3", 292, 330, -1, {K::dup}},
    {"fcntl", 72, 55, 221, {K::dup}},
    {"tcp_state", -1, -1, -1, {K::tcp_state}},
    {"setuid", 105, 23, 213, {K::setid}},
    {"setgid", 106, 46, 214, {K::setid}},
    {"setreuid", 113, 70, 203, {K::setid}},
    {"setregid", 114, 71, 204, {K::setid}},
    {"setresuid", 117, 164, 208, {K::setid}},
    {"setresgid", 119, 170, 210, {K::setid}},
    {"setfsuid", 122, 138, 215, {K::setid}},
    {"setfsgid", 123, 139, 216, {K::setid}},
    {"setgroups", 116, 81, 206, {K::setid}},
    {"capset", 126, 185, -1, {K::capset}},
    {"setns", 308, 346, -1, {K::setns}},
    {"unshare", 272, 310, -1, {K::unshare}},
    {"ptrace", 101, 26, -1, {K::ptrace}},
    {"process_vm_readv", 310, 347, -1, {K::vm_access}},
    {"process_vm_writev", 311, 348, -1, {K::vm_access}},
    {"bpf", 321, 357, -1, {K::bpf}},
    {"perf_event_open", 298, 336, -1, {K::perf_event}},
    {"init_module", 175, 128, -1, {K::module_load}},
    {"finit_module", 313, 350, -1, {K::module_load}},
    {"delete_module", 176, 129, -1, {K::module_unload}},
    {"kexec_load", 246, 283, -1, {K::kexec}},
    {"kexec_file_load", 320, -1, -1, {K::kexec}},
    {"memfd_create", 319, 356, -1, {K::memfd}},
    {"memfd_secret", 447, 447, -1, {K::memfd}},
    {"mprotect", 10, 125, -1, {K::map_wx}},
    {"mmap", 9, 90, -1, {K::map_wx}},
    {"mmap2", -1, 192, -1, {K::map_wx}},
    {"pkey_mprotect", 329, 380, -1, {K::map_wx}},
    {"shmat", 30, 397, -1, {K::map_wx}},
    {"ipc", -1, 117, -1, {K::map_wx}},
    {"userfaultfd", 323, 374, -1, {K::userfaultfd}},
    {"prctl", 157, 172, -1, {K::prctl}},
    {"seccomp", 317, 354, -1, {K::prctl}},
    {"keyctl", 250, 288, -1, {K::keyctl}},
    {"add_key", 248, 286, -1, {K::keyctl}},
    {"request_key", 249, 287, -1, {K::keyctl}},
    {"kill", 62, 37, -1, {K::signal}},
    {"tkill", 200, 238, -1, {K::signal}},
    {"tgkill", 234, 270, -1, {K::signal}},
    {"rt_sigqueueinfo", 129, 178, -1, {K::signal}},
    {"rt_tgsigqueueinfo", 297, 335, -1, {K::signal}},
    {"pidfd_send_signal", 424, 424, -1, {K::signal}},
    {"io_uring_setup", 425, 425, -1, {K::uring_setup}},
    {"io_uring_register", 427, 427, -1, {K::uring_setup}},
    {"io_uring_enter", 426, 426, -1, {K::uring_op}},
});

constexpr int numbers = 512;
struct Index {
  std::array<int16_t, numbers> x86_64{};
  std::array<int16_t, numbers> i386{};
  std::array<int16_t, event_kind_count> usual{};
};

constexpr Index make_index() {
  Index index;
  index.x86_64.fill(-1);
  index.i386.fill(-1);
  index.usual.fill(-1);
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto here = static_cast<int16_t>(i);
    if (calls[i].x86_64 >= 0) index.x86_64[static_cast<size_t>(calls[i].x86_64)] = here;
    if (calls[i].i386 >= 0) index.i386[static_cast<size_t>(calls[i].i386)] = here;
    if (calls[i].i386_wide >= 0) index.i386[static_cast<size_t>(calls[i].i386_wide)] = here;
    for (size_t k = 0; k < event_kind_count; ++k)
      if (index.usual[k] < 0 && calls[i].kinds.has(static_cast<EventKind>(k))) index.usual[k] = here;
  }
  return index;
}
constexpr Index call_index = make_index();

// x32 has its own numbers from 512 on for calls whose structures differ; of ours these.
constexpr int x32_execve = 520, x32_ptrace = 521, x32_sendmsg = 518, x32_execveat = 545, x32_vm_readv = 539,
              x32_vm_writev = 540, x32_rt_sigqueueinfo = 524, x32_rt_tgsigqueueinfo = 536, x32_kexec_load = 528,
              x32_sendmmsg = 538;
int native_number(int number) {
  switch (number) {
    case x32_execve:
      return 59;
    case x32_ptrace:
      return 101;
    case x32_sendmsg:
      return 46;
    case x32_execveat:
      return 322;
    case x32_vm_readv:
      return 310;
    case x32_vm_writev:
      return 311;
    case x32_rt_sigqueueinfo:
      return 129;
    case x32_rt_tgsigqueueinfo:
      return 297;
    case x32_kexec_load:
      return 246;
    case x32_sendmmsg:
      return 307;
    default:
      return number;
  }
}

}  // namespace

std::string_view event_type(const Event& event) {
  const auto kind = static_cast<size_t>(event.kind);
  if (kind >= event_kind_count) return "unknown";
  const int number = (event.flags & flag_x32) != 0 ? native_number(event.syscall) : event.syscall;
  if (number >= 0 && number < numbers && (event.flags & flag_uring) == 0) {
    const auto& table = (event.flags & flag_compat32) != 0 ? call_index.i386 : call_index.x86_64;
    const int16_t at = table[static_cast<size_t>(number)];
    if (at >= 0 && calls[static_cast<size_t>(at)].kinds.has(event.kind)) return calls[static_cast<size_t>(at)].name;
  }
  const int16_t usual = call_index.usual[kind];
  return usual < 0 ? "unknown" : calls[static_cast<size_t>(usual)].name;
}

const std::vector<std::string_view>& event_types_of(EventKind kind) {
  static const auto all = [] {
    std::array<std::vector<std::string_view>, event_kind_count> types;
    for (const Call& call : calls)
      for (size_t k = 0; k < event_kind_count; ++k)
        if (call.kinds.has(static_cast<EventKind>(k))) types[k].push_back(call.name);
    for (auto& list : types)
      if (list.empty()) list.emplace_back("unknown");
    return types;
  }();
  return all[static_cast<size_t>(kind) % event_kind_count];
}

bool is_event_type(std::string_view name) {
  return std::any_of(calls.begin(), calls.end(), [&](const Call& call) { return call.name == name; });
}

}  // namespace shrike::scoring
