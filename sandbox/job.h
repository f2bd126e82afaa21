#pragma once
// What a sandbox is asked to do. A value: the descriptors it speaks of travel beside it (channel.h).

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace shrike::sandbox {

enum class Backend : uint8_t { process = 0, microvm = 1 };
/// What happens at the first thing the policy refuses: the program is killed, or gets an error and goes on, so that
/// malware shows itself.
enum class Profile : uint8_t { strict = 0, observe = 1 };
/// No network at all, or loopback with a sink that answers and records.
enum class Network : uint8_t { none = 0, sink = 1 };

struct Limits {
  std::chrono::milliseconds wall{60'000};
  std::chrono::milliseconds cpu{30'000};
  uint64_t memory_bytes = 256u << 20;
  uint64_t output_bytes = 1u << 20;  ///< kept of standard output and error, each
  uint64_t file_bytes = 64u << 20;   ///< written, all files together
  uint32_t files = 4096;             ///< made by the program
  uint32_t processes = 128;          ///< at once, threads included
  uint64_t calls = 1'000'000;        ///< told; what comes after is counted
};

/// A file put in before the program starts. Its bytes come by descriptor, in the order of Job::files.
struct InputFile {
  std::string path;  ///< absolute, normalised, in the program's own tree
  uint32_t mode = 0644;
};

struct Job {
  std::string id;      ///< idempotency key and name: 1 to 64 of [A-Za-z0-9._-]; a repeated one is run once
  std::string caller;  ///< whose quota it uses: "local:<uid>", "collector"
  Backend backend = Backend::process;
  Profile profile = Profile::observe;
  Network network = Network::sink;
  std::string program;                 ///< its name in the program's own tree, absolute; the bytes come by descriptor
  std::vector<std::string> arguments;  ///< argv, [0] included
  std::vector<std::string> environment;
  std::string cwd = "/tmp";
  std::vector<InputFile> files;
  bool has_input = false;  ///< standard input comes by descriptor; else it is empty
  Limits limits;
};

std::string_view backend_name(Backend backend);
std::string_view profile_name(Profile profile);
std::string_view network_name(Network network);

/// One line of JSON with every key.
std::string job_to_json(const Job& job);
/// The reverse, strictly. Errors: not JSON, a key missing, unknown, of a wrong type or out of bounds, named.
Result<Job> job_from_json(std::string_view text);
/// Bounds that hold whoever made the job: sizes, counts, absolute normalised paths, no NUL in texts. Errors: which.
Result<void> check_job(const Job& job);

}  // namespace shrike::sandbox
