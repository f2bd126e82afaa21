// From the command line of `shrike run` to a job.

#include <openssl/rand.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "collector/ctl/run.h"
#include "common/base/bytes.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

using sandbox::sealed_bytes;
using sandbox::sealed_file;

constexpr size_t input_max_bytes = 256u << 20;

/// As a shell would find it.
Result<std::string> find_in_path(const std::string& name) {
  if (name.empty()) return Error{"no program is given"};
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), R_OK) == 0) return name;
    return errno_error(name);
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    const std::string candidate = std::string(folder) + "/" + name;
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(candidate))
      return candidate;
  }
  return Error{name + ": no such program in PATH", ENOENT};
}

Result<Fd> read_input(const std::string& path) {
  if (path != "-") return sealed_file(path);
  std::string bytes;
  char chunk[65536];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("standard input");
    if (n == 0) return sealed_bytes(bytes, "input");
    if (bytes.size() + static_cast<size_t>(n) > input_max_bytes) return Error{"standard input: more than 256 MiB"};
    bytes.append(chunk, static_cast<size_t>(n));
  }
}

/// Twelve digits of it are shown as a container's: all of them random.
Result<std::string> new_id() {
  unsigned char random[8];
  if (RAND_bytes(random, sizeof random) != 1) return Error{"no random numbers for the job's id"};
  return hex({reinterpret_cast<const char*>(random), sizeof random});
}

Result<void> add_file(const std::string& text, RunJob& out) {
  const size_t colon = text.rfind(":/");
  if (colon == std::string::npos || colon == 0)
    return Error{"--file " + text +
                 ": write HOST:GUEST, where GUEST is an absolute path, for example x.txt:/tmp/x.txt"};
  const std::string host = text.substr(0, colon);
  out.files.files.push_back(TRY(sealed_file(host)));
  std::error_code none;
  const auto status = std::filesystem::status(host, none);
  const bool executable = (status.permissions() & std::filesystem::perms::owner_exec) != std::filesystem::perms::none;
  out.job.files.push_back({text.substr(colon + 1), executable ? 0755u : 0644u});
  return {};
}

}  // namespace

Result<RunJob> make_job(const RunOptions& options) {
  RunJob out;
  sandbox::Job& job = out.job;
  job.id = options.id.empty() ? TRY(new_id()) : options.id;
  job.caller = "local:" + std::to_string(::getuid());
  job.backend = options.backend;
  job.profile = options.profile;
  job.network = options.network;
  job.limits.wall = options.timeout;
  job.limits.cpu = options.timeout;
  job.limits.memory_bytes = options.memory_bytes;
  const std::string program = TRY(find_in_path(options.command.empty() ? "" : options.command.front()));
  out.files.program = TRY(sealed_file(program));
  // A folder of its own: below /usr stands the host's tree, and what runs from /tmp is suspicious for that alone.
  job.program = "/job/" + std::filesystem::path(program).filename().string();
  job.arguments = options.command;
  job.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
  if (!options.input.empty()) {
    job.has_input = true;
    out.files.input = TRY(read_input(options.input));
  }
  for (const auto& file : options.files) TRY_VOID(add_file(file, out));
  TRY_VOID(sandbox::check_job(job));
  return out;
}

}  // namespace shrike::ctl
