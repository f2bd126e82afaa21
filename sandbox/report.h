#pragma once
// What a sandbox says of a job when it has ended. Every list is bounded, with a count of what did not fit.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox {

/// How a job ended; the first cause wins.
enum class Status : uint8_t {
  ok = 0,
  violation = 1,
  signalled = 2,
  timed_out = 3,
  setup_error = 4,
  internal_error = 5
};
std::string_view status_name(Status status);

struct Artefact {
  std::string path;
  uint64_t size_bytes = 0;
  std::string sha256;  ///< hexadecimal
};

struct GuestProcess {
  uint32_t pid = 0;
  uint32_t parent = 0;  ///< 0: the first
  std::string exe;
  std::vector<std::string> argv;  ///< of its last exec, bounded
  uint64_t start_ns = 0;          ///< since the job's start
  uint64_t end_ns = 0;            ///< 0: was there at the end
  int32_t wait_status = 0;
  uint64_t calls = 0;
};

struct Connection {
  uint32_t pid = 0;
  std::string protocol;  ///< tcp, udp, unix, icmp ..., or what was spoken: dns, http, tls
  std::string address;   ///< "203.0.113.7:443", "[::1]:80", a path
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  std::string first_bytes;  ///< of what was sent, at most 1024; of several connections one after another, in lines
  std::string name{};       ///< asked for: by DNS, TLS or HTTP; empty: none is known
};

/// Calls that were refused, or that the sandbox does not have: by name and reason, with how often.
struct Refusal {
  std::string call;    ///< "ptrace", "io_uring_setup", "ioctl(TIOCSTI)", "int 0x80: write"
  std::string reason;  ///< "never allowed", "not supported", "outside its files"
  uint64_t count = 0;
};

struct Step {
  std::string name;
  uint64_t ns = 0;
};

/// Why the risk is what it is; filled by who scores the calls, not by the sandbox.
struct Reason {
  std::string rule;
  std::string severity;
  double risk = 0;
  std::string message;
  uint32_t count = 1;
};

struct Report {
  std::string id;
  Backend backend = Backend::process;
  Profile profile = Profile::observe;
  Status status = Status::internal_error;
  std::string cause;  ///< one sentence: what ended it, where that was not the program itself
  int exit_code = 0;  ///< status ok
  int signal = 0;     ///< status signalled, violation, timed_out
  uint64_t wall_ns = 0;
  uint64_t cpu_ns = 0;
  uint64_t virtual_ns = 0;  ///< microvm: how far the program's own clock went, sleeps skipped
  uint64_t peak_memory_bytes = 0;
  uint64_t calls = 0;  ///< all, told or not
  uint64_t calls_denied = 0;
  uint64_t calls_unknown = 0;
  uint64_t events_told = 0;     ///< things given to the client (call.h)
  uint64_t events_dropped = 0;  ///< things that were not: calls beyond the limit, a client too slow, no room
  uint64_t stdout_kept = 0, stdout_dropped = 0, stderr_kept = 0, stderr_dropped = 0;  ///< bytes
  std::vector<Artefact> artefacts;
  uint64_t artefacts_dropped = 0;
  std::vector<GuestProcess> processes;
  uint64_t processes_dropped = 0;
  std::vector<Connection> connections;
  uint64_t connections_dropped = 0;
  std::vector<Refusal> refusals;
  uint64_t refusals_dropped = 0;
  std::vector<Step> steps;  ///< of the set-up, in order
  std::string program_sha256;
  std::string policy_sha256;
  std::string trace;               ///< what told the calls: "ebpf", "notify", "vm"
  std::vector<std::string> notes;  ///< what this host could not do, each a sentence

  // From here on: filled by the client.
  double risk = 0;
  std::vector<Reason> reasons;
  std::string evidence;  ///< where the calls went: "signed by node web-1", "not signed: no agent on this host"
};

inline constexpr size_t report_list_max = 1000;  ///< entries of each list
inline constexpr size_t report_text_max = 4096;  ///< bytes of each text

/// One line of JSON with every key; bytes that are not UTF-8 become U+FFFD.
std::string report_to_json(const Report& report);
/// The same of at most `most` bytes: where a program has filled the lists with long names they are halved, and what
/// that leaves out is counted as dropped, until it fits.
std::string report_to_json(Report report, size_t most);
/// The reverse. Errors: not JSON, a key missing, of a wrong type or out of bounds, named.
Result<Report> report_from_json(std::string_view text);

}  // namespace shrike::sandbox
