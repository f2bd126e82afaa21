#pragma once
// One thing that a sandboxed program did, mostly a system call: what both backends tell, in order, and what the agent
// makes events of. Values are part of the channel's bytes.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike::sandbox {

enum class CallKind : uint8_t {
  call = 0,   ///< a system call; `number`, `args`, `result`
  start = 1,  ///< a process or thread began: pid, tid new; args: parent's pid, clone flags
  exec = 2,   ///< an exec that worked (the call itself is told too): texts exe, argv, cwd
  exit = 3,   ///< a thread ended: args: wait status, 1 when it was the process's last
  signal = 4  ///< a signal was delivered: args: signal, sender's pid (0: the kernel), code
};

enum class CallAbi : uint8_t { x86_64 = 0, i386 = 1, x32 = 2 };

enum CallFlag : uint16_t {
  call_denied = 1 << 0,     ///< the policy refused it
  call_unknown = 1 << 1,    ///< the sandbox does not have it: ENOSYS, as on a kernel without it
  call_no_return = 1 << 2,  ///< did not return: exit, exec that worked, killed in it
  call_memory = 1 << 3,     ///< a text that it should have could not be read
  call_cut = 1 << 4,        ///< a text is longer than what is told
  call_late = 1 << 5,       ///< a text was read after the call: its page was not in memory before
  call_no_result = 1 << 6,  ///< what it returned is not known (told by notification alone)
};

enum class TextKind : uint8_t {
  path = 0,        ///< as given
  full_path = 1,   ///< absolute and normalised, links followed as the call did
  path2 = 2,       ///< the second path of calls with two
  full_path2 = 3,  ///< the same of it
  argv = 4,        ///< NUL between the arguments
  exe = 5,         ///< exec: the program's path in its own tree
  cwd = 6,
  address = 7,   ///< a sockaddr's bytes
  data = 8,      ///< the first bytes of what was written to a socket, at most 1024
  name = 9,      ///< prctl's, memfd's, an xattr's
  open_how = 10  ///< openat2's, at most 24 bytes: flags, mode, resolve, u64 each
};
inline constexpr TextKind text_kind_last = TextKind::open_how;

struct CallText {
  TextKind kind = TextKind::path;
  std::string text;
  bool operator==(const CallText&) const = default;
};

inline constexpr size_t call_text_max = 4096;  ///< bytes of one text
inline constexpr size_t call_texts_max = 4;

struct Call {
  CallKind kind = CallKind::call;
  CallAbi abi = CallAbi::x86_64;
  uint16_t flags = 0;   ///< CallFlag bits
  int32_t number = -1;  ///< system call number in its ABI
  uint32_t pid = 0;     ///< as the program sees it
  uint32_t tid = 0;     ///< the same
  uint64_t seq = 0;  ///< counts all things of this job from 0 as they end, also those that could not be told: a hole is
                     ///< loss. A thread's calls are in the order it made them
  uint64_t time_ns = 0;  ///< CLOCK_BOOTTIME of this host, when it began
  std::array<uint64_t, 6> args{};
  int64_t result = 0;  ///< value or -errno
  std::vector<CallText> texts;
  bool operator==(const Call&) const = default;
};

/// Appends the bytes of `call` (little endian, self-delimiting) to `out`. Texts beyond the bounds are cut, with
/// call_cut.
void encode_call(const Call& call, std::string& out);
/// Takes one call off the front of `bytes`. Errors: cut short, an unknown value, a bound exceeded.
Result<Call> decode_call(std::span<const std::byte>& bytes);

/// Where a backend tells what happens; implementations never block for long and count what they cannot keep.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual void call(const Call& call) = 0;
};

}  // namespace shrike::sandbox
