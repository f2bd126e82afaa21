#include "sandbox/process/landlock.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace shrike::sandbox::process {

namespace {

// linux/landlock.h as of ABI 6; Debian 12's header ends at 2.
struct RulesetAttributes {
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;  // ABI 4
  uint64_t scoped = 0;              // ABI 6
};
struct __attribute__((packed)) PathBeneath {
  uint64_t allowed_access = 0;
  int32_t parent_fd = -1;
};
constexpr uint32_t create_version = 1;
constexpr int rule_path_beneath = 1;
constexpr uint64_t bit(int n) { return 1ull << n; }
constexpr uint64_t execute = bit(0), write_file = bit(1), read_file = bit(2), read_dir = bit(3), make_char = bit(6),
                   make_block = bit(11), refer = bit(13), truncate = bit(14), ioctl_device = bit(15);
constexpr uint64_t scope_abstract_unix_socket = bit(0), scope_signal = bit(1);

/// Every right of an ABI: bits 0 to 12 in 1, then one more each.
uint64_t handled(int abi) {
  uint64_t rights = bit(13) - 1;
  if (abi >= 2) rights |= refer;
  if (abi >= 3) rights |= truncate;
  if (abi >= 5) rights |= ioctl_device;
  return rights;
}

Result<void> allow(int rules, const std::string& path, uint64_t rights) {
  const Fd at(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!at.valid()) return {};  // not in this root
  PathBeneath rule;
  rule.allowed_access = rights;
  rule.parent_fd = at.get();
  if (::syscall(SYS_landlock_add_rule, rules, rule_path_beneath, &rule, 0) != 0)
    return errno_error("landlock: " + path);
  return {};
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, create_version);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<Fd> landlock_rules(const std::vector<std::string>& writable) {
  const int abi = landlock_abi();
  if (abi == 0) return Fd();
  RulesetAttributes attributes;
  attributes.handled_access_fs = handled(abi);
  if (abi >= 6) attributes.scoped = scope_abstract_unix_socket | scope_signal;
  const size_t size = abi >= 6 ? sizeof attributes : abi >= 4 ? 16 : 8;
  Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (!rules.valid()) return errno_error("landlock");
  const uint64_t all = handled(abi);
  TRY_VOID(allow(rules.get(), "/", execute | read_file | read_dir));
  for (const auto& path : writable) TRY_VOID(allow(rules.get(), path, all & ~(make_char | make_block | ioctl_device)));
  TRY_VOID(allow(rules.get(), "/dev", (read_file | write_file | read_dir | truncate) & all));
  TRY_VOID(allow(rules.get(), "/dev/pts", (read_file | write_file | read_dir | ioctl_device) & all));
  return rules;
}

bool landlock_restrict(int rules_fd) { return ::syscall(SYS_landlock_restrict_self, rules_fd, 0) == 0; }

}  // namespace shrike::sandbox::process
