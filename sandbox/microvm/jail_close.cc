#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sandbox/microvm/jail.h"

namespace shrike::sandbox::microvm {
namespace {

// linux/landlock.h as of ABI 6; Debian 12's header ends at 2.
struct RulesetAttributes {
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;  // ABI 4: bind and connect
  uint64_t scoped = 0;              // ABI 6: abstract sockets and signals
};
constexpr uint32_t create_version = 1;

// Everything that this kernel's Landlock knows is handled, and nothing is allowed.
Result<void> forbid_files(std::vector<std::string>& notes) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, create_version);
  if (abi <= 0) {
    notes.emplace_back("no Landlock in the jail of the machine: this kernel has none");
    return {};
  }
  RulesetAttributes attributes;
  const int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
  attributes.handled_access_fs = (1ull << rights) - 1;
  attributes.handled_access_net = 3;
  attributes.scoped = 3;
  const size_t size = abi >= 6 ? sizeof attributes : abi >= 4 ? 16 : 8;
  const Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!rules.valid() || ::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return errno_error("Landlock");
  return {};
}

Result<void> set_limits(const JailLimits& limits) {
  const struct {
    __rlimit_resource what;
    uint64_t most;
  } all[] = {{RLIMIT_AS, limits.address_space_bytes},
             {RLIMIT_NOFILE, limits.descriptors},
             {RLIMIT_NPROC, 0},
             {RLIMIT_FSIZE, 0},
             {RLIMIT_CORE, 0},
             {RLIMIT_MEMLOCK, 0},
             {RLIMIT_MSGQUEUE, 0}};
  for (const auto& [what, most] : all) {
    const rlimit limit{most, most};
    if (::setrlimit(what, &limit) != 0) return errno_error("setrlimit");
  }
  return {};
}

Result<void> drop_capabilities() {
  int capability = 0;
  while (::prctl(PR_CAPBSET_DROP, capability) == 0) ++capability;
  if (errno != EINVAL || capability <= CAP_CHECKPOINT_RESTORE) return errno_error("the bounding set");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno_error("ambient capabilities");
  constexpr unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (::prctl(PR_SET_SECUREBITS, bits) != 0) return errno_error("securebits");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return errno_error("capset");
  return {};
}

}  // namespace

Result<void> give_up_rights(std::vector<std::string>& notes) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("no_new_privs");
  TRY_VOID(forbid_files(notes));
  return drop_capabilities();
}

Result<void> close_jail(const JailLimits& limits, std::span<const sock_filter> filter) {
  TRY_VOID(set_limits(limits));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return errno_error("seccomp");
  return {};
}

}  // namespace shrike::sandbox::microvm
