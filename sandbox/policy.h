#pragma once
// What a program in a sandbox may call: a value that is built once and frozen. Deny by default: a call is allowed when
// a rule says so for its number and values, never for what a pointer points at. The same value is evaluated here, in
// user space, and turned into a seccomp filter; tests hold the two against each other.

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/job.h"

namespace shrike::sandbox {

/// Everything that a policy may allow beyond computing on files of its own tree. Each is a type of its own, so that one
/// grep for `allow(` finds every place where safety is traded away.
struct UnixSockets {};      ///< stream, datagram and seqpacket sockets within the sandbox's own network namespace
struct InternetSockets {};  ///< TCP and UDP, IPv4 and IPv6: only where the only network is a sink
struct ExecutableMemory {
};                        ///< memory that is writable first and executable later, as JIT compilers and packers need it
struct MoreProcesses {};  ///< fork, threads, exec of more programs

enum class Verdict : uint8_t {
  allow = 0,
  refuse = 1,   ///< an error (observe) or the end of the program (strict), and reported
  unknown = 2,  ///< ENOSYS, as on a kernel without it: programs have another way
  absent = 3    ///< an error of its own, as where a file system or device lacks it; usual, and told as any other call
};

/// One argument, compared as the kernel does: under a mask.
struct Condition {
  uint8_t argument = 0;
  uint64_t mask = ~0ull;
  uint64_t value = 0;
  bool operator==(const Condition&) const = default;
};

/// A call by its x86-64 number; all conditions must hold.
struct Rule {
  int number = 0;
  Verdict verdict = Verdict::allow;
  std::vector<Condition> conditions;
  int error = 0;  ///< verdict absent: errno
};

using CallArguments = std::array<uint64_t, 6>;

class Policy {
 public:
  [[nodiscard]] Verdict evaluate(CallAbi abi, int number, const CallArguments& args) const;
  /// errno with which a call fails that is not allowed, and that is answered with an error.
  [[nodiscard]] int error_of(CallAbi abi, int number, const CallArguments& args) const;
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
  [[nodiscard]] Profile profile() const { return profile_; }
  /// Hexadecimal, over every rule and what refusal means.
  [[nodiscard]] const std::string& sha256() const { return sha256_; }

 private:
  friend class PolicyBuilder;
  Policy() = default;
  [[nodiscard]] const Rule* find(CallAbi abi, int number, const CallArguments& args) const;
  Profile profile_ = Profile::strict;
  std::vector<Rule> rules_;  // by number
  std::string sha256_;
};

class PolicyBuilder {
 public:
  /// Computing, and files of its own tree.
  explicit PolicyBuilder(Profile profile);
  PolicyBuilder& allow(UnixSockets);
  PolicyBuilder& allow(InternetSockets);
  PolicyBuilder& allow(ExecutableMemory);
  PolicyBuilder& allow(MoreProcesses);
  /// Frozen from here on.
  [[nodiscard]] Policy build() const;

 private:
  void add(std::string_view name, std::vector<Condition> conditions = {}, Verdict verdict = Verdict::allow,
           int error = 0);
  void add_absent();
  Policy policy_;
};

/// What a job's profile and network come to.
Policy policy_for(Profile profile, Network network);

/// How the kernel answers what is refused.
enum class Answer : uint8_t { error, kill, notify };
/// `refused` is how it answers what is not allowed; with `notify_allowed`, everything else is told to the listener too
/// (which lets go on what is allowed). Cost: milliseconds, libseccomp's. Errors: libseccomp's.
Result<std::vector<sock_filter>> policy_filter(const Policy& policy, Answer refused, bool notify_allowed);

/// "openat", "call 999": name of a call in its ABI.
std::string call_name(CallAbi abi, int number);
/// The call with what matters of its arguments, for a list of refusals: "ioctl(TIOCSTI)", "int 0x80: write".
std::string refused_call(CallAbi abi, int number, const CallArguments& args);
/// Why it is refused, in a few words: "foreign architecture", "never allowed: io_uring", "not supported".
std::string refused_reason(CallAbi abi, int number, const CallArguments& args, Verdict verdict);

}  // namespace shrike::sandbox
