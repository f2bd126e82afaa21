// What is said of a call that was refused.

#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>

#include "sandbox/policy.h"
#include "sandbox/policy_calls.h"

namespace shrike::sandbox {

namespace {

constexpr uint32_t x32_bit = 0x4000'0000;

struct Named {
  uint64_t value;
  const char* name;
};

constexpr Named families[] = {{AF_UNSPEC, "AF_UNSPEC"}, {AF_UNIX, "AF_UNIX"},       {AF_INET, "AF_INET"},
                              {AF_INET6, "AF_INET6"},   {AF_NETLINK, "AF_NETLINK"}, {AF_PACKET, "AF_PACKET"},
                              {AF_ALG, "AF_ALG"},       {AF_VSOCK, "AF_VSOCK"},     {AF_BLUETOOTH, "AF_BLUETOOTH"},
                              {AF_CAN, "AF_CAN"},       {AF_KEY, "AF_KEY"},         {AF_XDP, "AF_XDP"}};
constexpr Named types[] = {{SOCK_STREAM, "SOCK_STREAM"},
                           {SOCK_DGRAM, "SOCK_DGRAM"},
                           {SOCK_RAW, "SOCK_RAW"},
                           {SOCK_SEQPACKET, "SOCK_SEQPACKET"},
                           {SOCK_PACKET, "SOCK_PACKET"}};
constexpr Named spaces[] = {{CLONE_NEWNS, "CLONE_NEWNS"},     {CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
                            {CLONE_NEWUTS, "CLONE_NEWUTS"},   {CLONE_NEWIPC, "CLONE_NEWIPC"},
                            {CLONE_NEWUSER, "CLONE_NEWUSER"}, {CLONE_NEWPID, "CLONE_NEWPID"},
                            {CLONE_NEWNET, "CLONE_NEWNET"}};

std::string value_name(std::span<const Named> names, uint64_t value) {
  for (const auto& named : names)
    if (named.value == value) return named.name;
  char text[24];
  std::snprintf(text, sizeof text, "%#llx", static_cast<unsigned long long>(value));
  return text;
}

std::string named_or_number(std::string_view (*name_of)(uint32_t), uint64_t value) {
  const auto narrow = static_cast<uint32_t>(value);
  const std::string_view name = name_of(narrow);
  return name.empty() ? value_name({}, narrow) : std::string(name);
}

std::string flags_name(std::span<const Named> names, uint64_t flags) {
  std::string text;
  for (const auto& named : names)
    if ((flags & named.value) == named.value) text += (text.empty() ? "" : "|") + std::string(named.name);
  return text;
}

}  // namespace

std::string call_name(CallAbi abi, int number) {
  const uint32_t arch = abi == CallAbi::i386 ? SCMP_ARCH_X86 : abi == CallAbi::x32 ? SCMP_ARCH_X32 : SCMP_ARCH_X86_64;
  const int native = abi == CallAbi::x32 ? static_cast<int>(static_cast<uint32_t>(number) | x32_bit) : number;
  const std::unique_ptr<char, decltype(&std::free)> name(::seccomp_syscall_resolve_num_arch(arch, native), &std::free);
  return name && number >= 0 ? std::string(name.get()) : "call " + std::to_string(number);
}

std::string refused_call(CallAbi abi, int number, const CallArguments& args) {
  std::string name = call_name(abi, number);
  if (abi == CallAbi::i386) return "int 0x80: " + name;
  if (abi == CallAbi::x32) return "x32: " + name;
  if (name == "ioctl") return "ioctl(" + named_or_number(ioctl_name, args[1]) + ")";
  if (name == "prctl") return "prctl(" + named_or_number(prctl_name, args[0]) + ")";
  if (name == "socket" || name == "socketpair")
    return name + "(" + value_name(families, args[0] & 0xffff'ffff) + ", " + value_name(types, args[1] & 0xf) + ")";
  if (name == "clone" || name == "unshare") return name + "(" + flags_name(spaces, args[0]) + ")";
  return name;
}

std::string refused_reason(CallAbi abi, int number, const CallArguments&, Verdict verdict) {
  if (abi != CallAbi::x86_64) return "never allowed: foreign architecture";
  if (verdict == Verdict::unknown) return "not supported";
  const std::string name = call_name(abi, number);
  for (const auto& never : never_allowed())
    if (never.name == name) return "never allowed: " + std::string(never.why);
  return "not on the list of what is allowed";
}

}  // namespace shrike::sandbox
