#include "sandbox/policy.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/base/bytes.h"
#include "sandbox/policy_calls.h"

namespace shrike::sandbox {

namespace {

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
constexpr uint64_t int_mask = 0xffff'ffff;  // what the kernel takes of an int: anything may stand above it
constexpr uint64_t namespace_flags =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint64_t socket_type_mask = int_mask & ~static_cast<uint64_t>(SOCK_CLOEXEC | SOCK_NONBLOCK);

Condition is(uint8_t argument, uint64_t value, uint64_t mask = int_mask) { return {argument, mask, value}; }

bool holds(const Rule& rule, const CallArguments& args) {
  return std::all_of(rule.conditions.begin(), rule.conditions.end(),
                     [&](const Condition& c) { return (args[c.argument] & c.mask) == c.value; });
}

std::string sha256_hex(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) return {};
  return hex({reinterpret_cast<const char*>(digest), size});
}

std::string canonical(const Policy& policy) {
  std::string text = "shrike policy 1\n" + std::string(profile_name(policy.profile())) + "\n";
  for (const auto& rule : policy.rules()) {
    text += std::to_string(rule.number) + " " + std::to_string(static_cast<int>(rule.verdict));
    if (rule.verdict == Verdict::absent) text += " " + std::to_string(rule.error);
    for (const auto& c : rule.conditions)
      text += " " + std::to_string(c.argument) + "&" + std::to_string(c.mask) + "=" + std::to_string(c.value);
    text += "\n";
  }
  return text;
}

}  // namespace

const Rule* Policy::find(CallAbi abi, int number, const CallArguments& args) const {
  if (abi != CallAbi::x86_64) return nullptr;
  const auto [first, last] = std::equal_range(rules_.begin(), rules_.end(), Rule{number, {}, {}, 0},
                                              [](const Rule& a, const Rule& b) { return a.number < b.number; });
  const auto found = std::find_if(first, last, [&](const Rule& rule) { return holds(rule, args); });
  return found == last ? nullptr : &*found;
}

Verdict Policy::evaluate(CallAbi abi, int number, const CallArguments& args) const {
  const Rule* rule = find(abi, number, args);
  return rule == nullptr ? Verdict::refuse : rule->verdict;
}

int Policy::error_of(CallAbi abi, int number, const CallArguments& args) const {
  const Rule* rule = find(abi, number, args);
  if (rule == nullptr) return EPERM;
  return rule->verdict == Verdict::absent ? rule->error : ENOSYS;
}

void PolicyBuilder::add(std::string_view name, std::vector<Condition> conditions, Verdict verdict, int error) {
  const int number = ::seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, std::string(name).c_str());
  // What this libseccomp does not know has no number here: it stays refused.
  if (number >= 0) policy_.rules_.push_back({number, verdict, std::move(conditions), error});
}

/// What ordinary programs ask in passing, and live without: cp for shared extents, a resolver for its interfaces, ping
/// for the socket that only some may have.
void PolicyBuilder::add_absent() {
  for (const uint32_t command : absent_ioctls()) add("ioctl", {is(1, command)}, Verdict::absent, ENOTTY);
  for (const uint32_t option : absent_prctls()) add("prctl", {is(0, option)}, Verdict::absent, EINVAL);
  for (const uint64_t protocol : {NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_AUDIT, NETLINK_KOBJECT_UEVENT})
    add("socket", {is(0, AF_NETLINK), is(2, protocol)}, Verdict::absent, EAFNOSUPPORT);
  for (const uint64_t family : {AF_INET, AF_INET6})
    add("socket",
        {is(0, family), is(1, SOCK_DGRAM, socket_type_mask),
         is(2, family == AF_INET ? uint64_t{IPPROTO_ICMP} : uint64_t{IPPROTO_ICMPV6})},
        Verdict::absent, EACCES);
  for (const uint64_t family : {AF_INET, AF_INET6})
    add("socket", {is(0, family), is(2, IPPROTO_MPTCP)}, Verdict::absent, EPROTONOSUPPORT);
  add("name_to_handle_at", {}, Verdict::absent, EOPNOTSUPP);
}

PolicyBuilder::PolicyBuilder(Profile profile) {
  policy_.profile_ = profile;
  for (const auto name : plain_calls()) add(name);
  for (const auto name : socket_calls()) add(name);
  for (const auto name : unknown_calls()) add(name, {}, Verdict::unknown);
  add_absent();
  for (const uint32_t command : plain_ioctls()) add("ioctl", {is(1, command)});
  for (const uint32_t option : plain_prctls()) add("prctl", {is(0, option)});
  // Readable, writable, executable: all but writable and executable at once, or executable later.
  for (const uint64_t protection : {PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE}) {
    add("mmap", {is(2, protection, int_mask)});
    add("mprotect", {is(2, protection, int_mask)});
    add("pkey_mprotect", {is(2, protection, int_mask)});
  }
  // Programs and libraries are mapped executable from a file.
  for (const uint64_t protection : {PROT_EXEC, PROT_READ | PROT_EXEC})
    add("mmap", {is(2, protection), is(3, 0, MAP_ANONYMOUS)});
  for (const uint64_t persona : {0ull, 0xffff'ffffull, static_cast<unsigned long long>(ADDR_NO_RANDOMIZE)})
    add("personality", {is(0, persona)});
}

PolicyBuilder& PolicyBuilder::allow(UnixSockets) {
  for (const uint64_t type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    add("socket", {is(0, AF_UNIX), is(1, type, socket_type_mask)});
    add("socketpair", {is(0, AF_UNIX), is(1, type, socket_type_mask)});
  }
  return *this;
}

PolicyBuilder& PolicyBuilder::allow(InternetSockets) {
  for (const uint64_t family : {AF_INET, AF_INET6})
    for (const auto& [type, protocol] : {std::pair{SOCK_STREAM, 6}, std::pair{SOCK_DGRAM, 17}})
      for (const int wanted : {0, protocol})
        add("socket", {is(0, family), is(1, static_cast<uint64_t>(type), socket_type_mask),
                       is(2, static_cast<uint64_t>(wanted))});
  return *this;
}

PolicyBuilder& PolicyBuilder::allow(ExecutableMemory) {
  add("mmap");
  add("mprotect");
  add("pkey_mprotect");
  add("pkey_alloc");
  add("pkey_free");
  return *this;
}

PolicyBuilder& PolicyBuilder::allow(MoreProcesses) {
  add("clone", {is(0, 0, namespace_flags)});  // CLONE_NEWTIME is part of the exit signal here, clone3 alone has it
  add("fork");
  add("vfork");
  return *this;
}

Policy PolicyBuilder::build() const {
  Policy policy;
  policy.profile_ = policy_.profile_;
  // A rule without conditions makes those with some needless, and libseccomp would not know which to take.
  for (const auto& rule : policy_.rules_) {
    const bool whole = std::any_of(policy_.rules_.begin(), policy_.rules_.end(), [&](const Rule& other) {
      return other.number == rule.number && other.conditions.empty();
    });
    const bool there = std::any_of(policy.rules_.begin(), policy.rules_.end(), [&](const Rule& other) {
      return other.number == rule.number && (whole || other.conditions == rule.conditions);
    });
    if (there) continue;
    policy.rules_.push_back(rule);
    if (whole) policy.rules_.back().conditions.clear();
  }
  std::stable_sort(policy.rules_.begin(), policy.rules_.end(),
                   [](const Rule& a, const Rule& b) { return a.number < b.number; });
  policy.sha256_ = sha256_hex(canonical(policy));
  return policy;
}

Policy policy_for(Profile profile, Network network) {
  PolicyBuilder builder(profile);
  builder.allow(UnixSockets{}).allow(ExecutableMemory{}).allow(MoreProcesses{});
  // Without a network these sockets reach nothing, and a program that cannot even make one shows less of itself.
  if (network == Network::sink) builder.allow(InternetSockets{});
  return builder.build();
}

}  // namespace shrike::sandbox
