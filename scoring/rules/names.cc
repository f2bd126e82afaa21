#include "scoring/rules/names.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <array>

namespace shrike::scoring {
namespace {

struct Named {
  uint64_t value;
  std::string_view name;
};

template <size_t N>
std::string_view one_of(Arena& arena, const std::array<Named, N>& table, uint64_t value) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const Named& entry) { return entry.value == value; });
  return at == table.end() ? arena.decimal(static_cast<int64_t>(value)) : at->name;
}

// Names of the set bits, joined; bits without a name as one hexadecimal number. An entry of several bits has to come
// before the entries of its single bits.
std::string_view bits_text(Arena& arena, std::span<const Named> table, uint64_t value, std::string_view head,
                           char separator, std::string_view zero) {
  if (value == 0 && head.empty()) return zero;
  char* const out = arena.take(2048);
  size_t used = 0;
  const auto add = [&](std::string_view name) {
    if (used + name.size() + 1 > 2048) return;
    if (used != 0) out[used++] = separator;
    std::copy(name.begin(), name.end(), out + used);
    used += name.size();
  };
  if (!head.empty()) add(head);
  for (const Named& bit : table) {
    if ((value & bit.value) != bit.value) continue;
    add(bit.name);
    value &= ~bit.value;
  }
  if (value != 0) {
    char number[19] = "0x";
    size_t n = 2;
    for (int shift = 60; shift >= 0; shift -= 4)
      if (value >> shift != 0) number[n++] = "0123456789abcdef"[value >> shift & 15];
    add({number, n});
  }
  return {out, used};
}

constexpr auto open_table = std::to_array<Named>({
    {020200000, "O_TMPFILE"},
    {04010000, "O_SYNC"},
    {0100, "O_CREAT"},
    {0200, "O_EXCL"},
    {0400, "O_NOCTTY"},
    {01000, "O_TRUNC"},
    {02000, "O_APPEND"},
    {04000, "O_NONBLOCK"},
    {010000, "O_DSYNC"},
    {020000, "O_ASYNC"},
    {040000, "O_DIRECT"},
    {0100000, "O_LARGEFILE"},
    {0200000, "O_DIRECTORY"},
    {0400000, "O_NOFOLLOW"},
    {01000000, "O_NOATIME"},
    {02000000, "O_CLOEXEC"},
    {010000000, "O_PATH"},
});
constexpr auto mode_table = std::to_array<Named>({
    {04000, "S_ISUID"},
    {02000, "S_ISGID"},
    {01000, "S_ISVTX"},
    {0400, "S_IRUSR"},
    {0200, "S_IWUSR"},
    {0100, "S_IXUSR"},
    {040, "S_IRGRP"},
    {020, "S_IWGRP"},
    {010, "S_IXGRP"},
    {04, "S_IROTH"},
    {02, "S_IWOTH"},
    {01, "S_IXOTH"},
});
constexpr auto clone_table = std::to_array<Named>({
    {0x100, "CLONE_VM"},
    {0x200, "CLONE_FS"},
    {0x400, "CLONE_FILES"},
    {0x800, "CLONE_SIGHAND"},
    {0x1000, "CLONE_PIDFD"},
    {0x2000, "CLONE_PTRACE"},
    {0x4000, "CLONE_VFORK"},
    {0x8000, "CLONE_PARENT"},
    {0x10000, "CLONE_THREAD"},
    {0x20000, "CLONE_NEWNS"},
    {0x40000, "CLONE_SYSVSEM"},
    {0x80000, "CLONE_SETTLS"},
    {0x100000, "CLONE_PARENT_SETTID"},
    {0x200000, "CLONE_CHILD_CLEARTID"},
    {0x400000, "CLONE_DETACHED"},
    {0x800000, "CLONE_UNTRACED"},
    {0x1000000, "CLONE_CHILD_SETTID"},
    {0x2000000, "CLONE_NEWCGROUP"},
    {0x4000000, "CLONE_NEWUTS"},
    {0x8000000, "CLONE_NEWIPC"},
    {0x10000000, "CLONE_NEWUSER"},
    {0x20000000, "CLONE_NEWPID"},
    {0x40000000, "CLONE_NEWNET"},
    {0x80000000, "CLONE_IO"},
    {0x80, "CLONE_NEWTIME"},
    {0x200000000, "CLONE_INTO_CGROUP"},
});
constexpr auto mount_table = std::to_array<Named>({
    {1, "MS_RDONLY"},           {2, "MS_NOSUID"},         {4, "MS_NODEV"},
    {8, "MS_NOEXEC"},           {16, "MS_SYNCHRONOUS"},   {32, "MS_REMOUNT"},
    {64, "MS_MANDLOCK"},        {128, "MS_DIRSYNC"},      {256, "MS_NOSYMFOLLOW"},
    {1024, "MS_NOATIME"},       {2048, "MS_NODIRATIME"},  {4096, "MS_BIND"},
    {8192, "MS_MOVE"},          {16384, "MS_REC"},        {32768, "MS_SILENT"},
    {1 << 17, "MS_UNBINDABLE"}, {1 << 18, "MS_PRIVATE"},  {1 << 19, "MS_SLAVE"},
    {1 << 20, "MS_SHARED"},     {1 << 21, "MS_RELATIME"}, {1 << 24, "MS_STRICTATIME"},
    {1 << 25, "MS_LAZYTIME"},
});
constexpr auto protection_table = std::to_array<Named>({
    {1, "PROT_READ"},
    {2, "PROT_WRITE"},
    {4, "PROT_EXEC"},
    {0x1000000, "PROT_GROWSDOWN"},
    {0x2000000, "PROT_GROWSUP"},
});
constexpr auto map_table = std::to_array<Named>({
    {3, "MAP_SHARED_VALIDATE"},
    {1, "MAP_SHARED"},
    {2, "MAP_PRIVATE"},
    {0x10, "MAP_FIXED"},
    {0x20, "MAP_ANONYMOUS"},
    {0x40, "MAP_32BIT"},
    {0x100, "MAP_GROWSDOWN"},
    {0x800, "MAP_DENYWRITE"},
    {0x2000, "MAP_LOCKED"},
    {0x4000, "MAP_NORESERVE"},
    {0x8000, "MAP_POPULATE"},
    {0x10000, "MAP_NONBLOCK"},
    {0x20000, "MAP_STACK"},
    {0x40000, "MAP_HUGETLB"},
    {0x100000, "MAP_FIXED_NOREPLACE"},
});
constexpr auto memfd_table = std::to_array<Named>({
    {1, "MFD_CLOEXEC"},
    {2, "MFD_ALLOW_SEALING"},
    {4, "MFD_HUGETLB"},
    {8, "MFD_NOEXEC_SEAL"},
    {16, "MFD_EXEC"},
});
constexpr auto capability_table = [] {
  constexpr auto names = std::to_array<std::string_view>({"CAP_CHOWN",
                                                          "CAP_DAC_OVERRIDE",
                                                          "CAP_DAC_READ_SEARCH",
                                                          "CAP_FOWNER",
                                                          "CAP_FSETID",
                                                          "CAP_KILL",
                                                          "CAP_SETGID",
                                                          "CAP_SETUID",
                                                          "CAP_SETPCAP",
                                                          "CAP_LINUX_IMMUTABLE",
                                                          "CAP_NET_BIND_SERVICE",
                                                          "CAP_NET_BROADCAST",
                                                          "CAP_NET_ADMIN",
                                                          "CAP_NET_RAW",
                                                          "CAP_IPC_LOCK",
                                                          "CAP_IPC_OWNER",
                                                          "CAP_SYS_MODULE",
                                                          "CAP_SYS_RAWIO",
                                                          "CAP_SYS_CHROOT",
                                                          "CAP_SYS_PTRACE",
                                                          "CAP_SYS_PACCT",
                                                          "CAP_SYS_ADMIN",
                                                          "CAP_SYS_BOOT",
                                                          "CAP_SYS_NICE",
                                                          "CAP_SYS_RESOURCE",
                                                          "CAP_SYS_TIME",
                                                          "CAP_SYS_TTY_CONFIG",
                                                          "CAP_MKNOD",
                                                          "CAP_LEASE",
                                                          "CAP_AUDIT_WRITE",
                                                          "CAP_AUDIT_CONTROL",
                                                          "CAP_SETFCAP",
                                                          "CAP_MAC_OVERRIDE",
                                                          "CAP_MAC_ADMIN",
                                                          "CAP_SYSLOG",
                                                          "CAP_WAKE_ALARM",
                                                          "CAP_BLOCK_SUSPEND",
                                                          "CAP_AUDIT_READ",
                                                          "CAP_PERFMON",
                                                          "CAP_BPF",
                                                          "CAP_CHECKPOINT_RESTORE"});
  std::array<Named, names.size()> table{};
  for (size_t i = 0; i < names.size(); ++i) table[i] = {uint64_t{1} << i, names[i]};
  return table;
}();

constexpr auto ptrace_table = std::to_array<Named>({
    {0, "PTRACE_TRACEME"},
    {1, "PTRACE_PEEKTEXT"},
    {2, "PTRACE_PEEKDATA"},
    {3, "PTRACE_PEEKUSR"},
    {4, "PTRACE_POKETEXT"},
    {5, "PTRACE_POKEDATA"},
    {6, "PTRACE_POKEUSR"},
    {7, "PTRACE_CONT"},
    {8, "PTRACE_KILL"},
    {9, "PTRACE_SINGLESTEP"},
    {12, "PTRACE_GETREGS"},
    {13, "PTRACE_SETREGS"},
    {14, "PTRACE_GETFPREGS"},
    {15, "PTRACE_SETFPREGS"},
    {16, "PTRACE_ATTACH"},
    {17, "PTRACE_DETACH"},
    {24, "PTRACE_SYSCALL"},
    {0x4200, "PTRACE_SETOPTIONS"},
    {0x4201, "PTRACE_GETEVENTMSG"},
    {0x4202, "PTRACE_GETSIGINFO"},
    {0x4203, "PTRACE_SETSIGINFO"},
    {0x4204, "PTRACE_GETREGSET"},
    {0x4205, "PTRACE_SETREGSET"},
    {0x4206, "PTRACE_SEIZE"},
    {0x4207, "PTRACE_INTERRUPT"},
    {0x4208, "PTRACE_LISTEN"},
    {0x4209, "PTRACE_PEEKSIGINFO"},
    {0x420a, "PTRACE_GETSIGMASK"},
    {0x420b, "PTRACE_SETSIGMASK"},
    {0x420c, "PTRACE_SECCOMP_GET_FILTER"},
    {0x420e, "PTRACE_GET_SYSCALL_INFO"},
});
constexpr auto family_table = std::to_array<Named>({
    {0, "AF_UNSPEC"}, {1, "AF_UNIX"},  {2, "AF_INET"},       {3, "AF_AX25"},    {9, "AF_X25"},
    {10, "AF_INET6"}, {15, "AF_KEY"},  {16, "AF_NETLINK"},   {17, "AF_PACKET"}, {21, "AF_RDS"},
    {29, "AF_CAN"},   {30, "AF_TIPC"}, {31, "AF_BLUETOOTH"}, {33, "AF_RXRPC"},  {38, "AF_ALG"},
    {40, "AF_VSOCK"}, {41, "AF_KCM"},  {43, "AF_SMC"},       {44, "AF_XDP"},
});
constexpr auto socket_table = std::to_array<Named>({
    {1, "SOCK_STREAM"},
    {2, "SOCK_DGRAM"},
    {3, "SOCK_RAW"},
    {4, "SOCK_RDM"},
    {5, "SOCK_SEQPACKET"},
    {10, "SOCK_PACKET"},
});
constexpr auto prctl_table = std::to_array<Named>({
    {1, "PR_SET_PDEATHSIG"},
    {4, "PR_SET_DUMPABLE"},
    {8, "PR_SET_KEEPCAPS"},
    {15, "PR_SET_NAME"},
    {22, "PR_SET_SECCOMP"},
    {24, "PR_CAPBSET_DROP"},
    {28, "PR_SET_SECUREBITS"},
    {35, "PR_SET_MM"},
    {36, "PR_SET_CHILD_SUBREAPER"},
    {38, "PR_SET_NO_NEW_PRIVS"},
    {47, "PR_CAP_AMBIENT"},
    {0x59616d61, "PR_SET_PTRACER"},
});
constexpr auto bpf_table = [] {
  constexpr auto names = std::to_array<std::string_view>({"BPF_MAP_CREATE",        "BPF_MAP_LOOKUP_ELEM",
                                                          "BPF_MAP_UPDATE_ELEM",   "BPF_MAP_DELETE_ELEM",
                                                          "BPF_MAP_GET_NEXT_KEY",  "BPF_PROG_LOAD",
                                                          "BPF_OBJ_PIN",           "BPF_OBJ_GET",
                                                          "BPF_PROG_ATTACH",       "BPF_PROG_DETACH",
                                                          "BPF_PROG_TEST_RUN",     "BPF_PROG_GET_NEXT_ID",
                                                          "BPF_MAP_GET_NEXT_ID",   "BPF_PROG_GET_FD_BY_ID",
                                                          "BPF_MAP_GET_FD_BY_ID",  "BPF_OBJ_GET_INFO_BY_FD",
                                                          "BPF_PROG_QUERY",        "BPF_RAW_TRACEPOINT_OPEN",
                                                          "BPF_BTF_LOAD",          "BPF_BTF_GET_FD_BY_ID",
                                                          "BPF_TASK_FD_QUERY",     "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
                                                          "BPF_MAP_FREEZE",        "BPF_BTF_GET_NEXT_ID",
                                                          "BPF_MAP_LOOKUP_BATCH",  "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
                                                          "BPF_MAP_UPDATE_BATCH",  "BPF_MAP_DELETE_BATCH",
                                                          "BPF_LINK_CREATE",       "BPF_LINK_UPDATE",
                                                          "BPF_LINK_GET_FD_BY_ID", "BPF_LINK_GET_NEXT_ID",
                                                          "BPF_ENABLE_STATS",      "BPF_ITER_CREATE",
                                                          "BPF_LINK_DETACH",       "BPF_PROG_BIND_MAP",
                                                          "BPF_TOKEN_CREATE"});
  std::array<Named, names.size()> table{};
  for (size_t i = 0; i < names.size(); ++i) table[i] = {i, names[i]};
  return table;
}();
constexpr auto keyctl_table = std::to_array<Named>({
    {0, "KEYCTL_GET_KEYRING_ID"},
    {1, "KEYCTL_JOIN_SESSION_KEYRING"},
    {2, "KEYCTL_UPDATE"},
    {3, "KEYCTL_REVOKE"},
    {4, "KEYCTL_CHOWN"},
    {5, "KEYCTL_SETPERM"},
    {6, "KEYCTL_DESCRIBE"},
    {7, "KEYCTL_CLEAR"},
    {8, "KEYCTL_LINK"},
    {9, "KEYCTL_UNLINK"},
    {10, "KEYCTL_SEARCH"},
    {11, "KEYCTL_READ"},
    {12, "KEYCTL_INSTANTIATE"},
});
constexpr auto uring_names = std::to_array<std::string_view>({
    "nop",
    "readv",
    "writev",
    "fsync",
    "read_fixed",
    "write_fixed",
    "poll_add",
    "poll_remove",
    "sync_file_range",
    "sendmsg",
    "recvmsg",
    "timeout",
    "timeout_remove",
    "accept",
    "async_cancel",
    "link_timeout",
    "connect",
    "fallocate",
    "openat",
    "close",
    "files_update",
    "statx",
    "read",
    "write",
    "fadvise",
    "madvise",
    "send",
    "recv",
    "openat2",
    "epoll_ctl",
    "splice",
    "provide_buffers",
    "remove_buffers",
    "tee",
    "shutdown",
    "renameat",
    "unlinkat",
    "mkdirat",
    "symlinkat",
    "linkat",
    "msg_ring",
    "fsetxattr",
    "setxattr",
    "fgetxattr",
    "getxattr",
    "socket",
    "uring_cmd",
    "send_zc",
    "sendmsg_zc",
    "read_multishot",
    "waitid",
    "futex_wait",
    "futex_wake",
    "futex_waitv",
    "fixed_fd_install",
    "ftruncate",
    "bind",
    "listen",
    "recv_zc",
    "epoll_wait",
    "readv_fixed",
    "writev_fixed",
    "pipe",
});

const std::vector<std::string_view>& errno_names() {
  static const auto names = [] {
    std::vector<std::string_view> all;
    for (int code = 1; code < 140; ++code)
      if (const char* name = strerrorname_np(code); name != nullptr) all.emplace_back(name);
    return all;
  }();
  return names;
}

}  // namespace

std::string_view errno_name(int64_t code) {
  if (code <= 0 || code > 4095) return {};
  const char* name = strerrorname_np(static_cast<int>(code));
  return name == nullptr ? std::string_view{} : std::string_view{name};
}
std::span<const std::string_view> all_errno_names() { return errno_names(); }

std::string_view open_flags(Arena& arena, uint64_t flags) {
  static constexpr std::array<std::string_view, 4> access{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
  return bits_text(arena, open_table, flags & ~uint64_t{3}, access[flags & 3], '|', "");
}
std::string_view mode_bits(Arena& arena, uint64_t mode) {
  return bits_text(arena, mode_table, mode & 07777, "", '|', "0");
}
std::string_view clone_flags(Arena& arena, uint64_t flags) {
  return bits_text(arena, clone_table, flags, "", '|', "0");
}
std::string_view mount_flags(Arena& arena, uint64_t flags) {
  return bits_text(arena, mount_table, flags, "", '|', "0");
}
std::string_view protection(Arena& arena, uint64_t bits) {
  return bits_text(arena, protection_table, bits, "", '|', "PROT_NONE");
}
std::string_view map_flags(Arena& arena, uint64_t flags) { return bits_text(arena, map_table, flags, "", '|', "0"); }
std::string_view memfd_flags(Arena& arena, uint64_t flags) {
  return bits_text(arena, memfd_table, flags, "", '|', "0");
}
std::string_view capabilities(Arena& arena, uint64_t bits) {
  return bits_text(arena, capability_table, bits, "", ' ', "");
}

std::string_view ptrace_request(Arena& arena, uint64_t request) { return one_of(arena, ptrace_table, request); }
std::string_view address_family(Arena& arena, uint64_t family) { return one_of(arena, family_table, family); }
std::string_view socket_type(Arena& arena, uint64_t type) { return one_of(arena, socket_table, type & 0xf); }
std::string_view prctl_option(Arena& arena, uint64_t option) { return one_of(arena, prctl_table, option); }
std::string_view bpf_command(Arena& arena, uint64_t command) { return one_of(arena, bpf_table, command); }
std::string_view keyctl_operation(Arena& arena, uint64_t operation) { return one_of(arena, keyctl_table, operation); }

std::string_view signal_name(Arena& arena, uint64_t number) {
  const char* name = number < 65 ? sigabbrev_np(static_cast<int>(number)) : nullptr;
  if (name == nullptr) return arena.decimal(static_cast<int64_t>(number));
  const std::string_view text = name;
  char* const out = arena.take(text.size() + 3);
  std::copy_n("SIG", 3, out);
  std::copy(text.begin(), text.end(), out + 3);
  return {out, text.size() + 3};
}

std::string_view uring_operation(uint64_t opcode) {
  return opcode < uring_names.size() ? uring_names[opcode] : std::string_view{};
}

}  // namespace shrike::scoring
