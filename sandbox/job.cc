#include "sandbox/job.h"

#include <algorithm>
#include <set>

#include "sandbox/json_object.h"

namespace shrike::sandbox {

using nlohmann::json;

namespace {

constexpr size_t path_max = 4095;
constexpr size_t words_max = 4096;           // arguments, and variables
constexpr size_t words_bytes_max = 1 << 20;  // of both together
constexpr size_t job_files_max = 62;         // descriptors of one frame, less program and input
constexpr std::chrono::milliseconds time_max = std::chrono::hours(24);

const auto backend_names = {std::string_view("process"), std::string_view("microvm")};
const auto profile_names = {std::string_view("strict"), std::string_view("observe")};
const auto network_names = {std::string_view("none"), std::string_view("sink")};

bool plain(char c, std::string_view more) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || more.find(c) != more.npos;
}

Result<void> check_name(const char* what, std::string_view text, size_t most, std::string_view more) {
  if (text.empty() || text.size() > most)
    return Error{std::string("job: ") + what + " has " + std::to_string(text.size()) + " characters, 1 to " +
                 std::to_string(most) + " may be"};
  if (!std::all_of(text.begin(), text.end(), [&](char c) { return plain(c, more); }))
    return Error{std::string("job: ") + what + " has a character that is neither letter, digit nor one of " +
                 std::string(more)};
  return {};
}

/// "/a/b": begins with a slash, no part is empty, "." or "..".
bool normalised(std::string_view path) {
  if (path == "/") return true;
  if (path.empty() || path.front() != '/') return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    path.remove_prefix(part.size());
  }
  return true;
}

bool below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

Result<void> check_path(const std::string& what, const std::string& path, bool file) {
  if (path.size() > path_max) return Error{"job: " + what + " is longer than 4095 bytes"};
  if (path.find('\0') != std::string::npos) return Error{"job: " + what + " holds a NUL"};
  if (!normalised(path)) return Error{"job: " + what + " is no absolute, normalised path"};
  if (!file) return {};
  if (path == "/") return Error{"job: " + what + " is the root, and no file"};
  for (const char* own : {"/proc", "/sys", "/dev"})
    if (below(path, own)) return Error{"job: " + what + " is below " + own + ", which is the sandbox's own"};
  return {};
}

Result<void> check_words(const char* what, const std::vector<std::string>& words, size_t& bytes) {
  if (words.size() > words_max) return Error{std::string("job: more than 4096 ") + what};
  for (const auto& word : words) {
    if (word.find('\0') != std::string::npos) return Error{std::string("job: a NUL in ") + what};
    bytes += word.size() + 1;
    if (bytes > words_bytes_max) return Error{"job: arguments and environment have more than a MiB"};
  }
  return {};
}

Result<void> check_range(const char* what, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return Error{std::string("job: limit ") + what + " is " + std::to_string(value) + ", " + std::to_string(least) +
               " to " + std::to_string(most) + " may be"};
}

Result<void> check_limits(const Limits& limits) {
  const auto time = static_cast<uint64_t>(time_max.count());
  TRY_VOID(check_range("wall_ms", static_cast<uint64_t>(limits.wall.count()), 1, time));
  TRY_VOID(check_range("cpu_ms", static_cast<uint64_t>(limits.cpu.count()), 1, time));
  TRY_VOID(check_range("memory_bytes", limits.memory_bytes, 1u << 20, 1ull << 40));
  TRY_VOID(check_range("output_bytes", limits.output_bytes, 0, 1ull << 30));
  TRY_VOID(check_range("file_bytes", limits.file_bytes, 0, 1ull << 40));
  TRY_VOID(check_range("files", limits.files, 0, 1'000'000));
  TRY_VOID(check_range("processes", limits.processes, 1, 32'768));
  return check_range("calls", limits.calls, 0, 1'000'000'000'000);
}

json words_json(const std::vector<std::string>& words) {
  json list = json::array();
  for (const auto& word : words) list.push_back(json_bytes(word));
  return list;
}

json limits_json(const Limits& limits) {
  return {{"wall_ms", static_cast<uint64_t>(limits.wall.count())},
          {"cpu_ms", static_cast<uint64_t>(limits.cpu.count())},
          {"memory_bytes", limits.memory_bytes},
          {"output_bytes", limits.output_bytes},
          {"file_bytes", limits.file_bytes},
          {"files", limits.files},
          {"processes", limits.processes},
          {"calls", limits.calls}};
}

Result<void> read_limits(const json& value, Limits& limits) {
  JsonObject object(value, "job: limits");
  uint64_t wall = 0, cpu = 0;
  const auto time = static_cast<uint64_t>(time_max.count());
  object.number("wall_ms", wall, time);
  object.number("cpu_ms", cpu, time);
  object.number("memory_bytes", limits.memory_bytes);
  object.number("output_bytes", limits.output_bytes);
  object.number("file_bytes", limits.file_bytes);
  object.small("files", limits.files, UINT32_MAX);
  object.small("processes", limits.processes, UINT32_MAX);
  object.number("calls", limits.calls);
  TRY_VOID(object.finish(true));
  limits.wall = std::chrono::milliseconds(wall);
  limits.cpu = std::chrono::milliseconds(cpu);
  return {};
}

void read_words(JsonObject& object, const char* key, std::vector<std::string>& out) {
  object.list(key, words_max, [&](const json& entry, const std::string& where) -> Result<void> {
    out.push_back(TRY(read_bytes(entry, where, words_bytes_max)));
    return {};
  });
}

Result<void> read_file_entry(const json& entry, const std::string& where, std::vector<InputFile>& out) {
  InputFile file;
  JsonObject object(entry, where);
  object.bytes("path", file.path, path_max);
  object.small("mode", file.mode, 0777);
  TRY_VOID(object.finish(true));
  out.push_back(std::move(file));
  return {};
}

}  // namespace

std::string_view backend_name(Backend backend) { return backend_names.begin()[static_cast<size_t>(backend)]; }
std::string_view profile_name(Profile profile) { return profile_names.begin()[static_cast<size_t>(profile)]; }
std::string_view network_name(Network network) { return network_names.begin()[static_cast<size_t>(network)]; }

std::string job_to_json(const Job& job) {
  json files = json::array();
  for (const auto& file : job.files) files.push_back({{"path", json_bytes(file.path)}, {"mode", file.mode}});
  return dump_json({{"id", job.id},
                    {"caller", job.caller},
                    {"backend", backend_name(job.backend)},
                    {"profile", profile_name(job.profile)},
                    {"network", network_name(job.network)},
                    {"program", json_bytes(job.program)},
                    {"arguments", words_json(job.arguments)},
                    {"environment", words_json(job.environment)},
                    {"cwd", json_bytes(job.cwd)},
                    {"files", files},
                    {"has_input", job.has_input},
                    {"limits", limits_json(job.limits)}});
}

Result<Job> job_from_json(std::string_view text) {
  const json value = TRY(parse_json(text, "job"));
  Job job;
  JsonObject object(value, "job");
  object.text("id", job.id, 64);
  object.text("caller", job.caller, 128);
  object.name("backend", job.backend, backend_names);
  object.name("profile", job.profile, profile_names);
  object.name("network", job.network, network_names);
  object.bytes("program", job.program, path_max);
  read_words(object, "arguments", job.arguments);
  read_words(object, "environment", job.environment);
  object.bytes("cwd", job.cwd, path_max);
  object.list("files", job_files_max,
              [&](const json& entry, const std::string& where) { return read_file_entry(entry, where, job.files); });
  object.boolean("has_input", job.has_input);
  if (const json* limits = object.find("limits")) object.note(read_limits(*limits, job.limits));
  TRY_VOID(object.finish(true));
  TRY_VOID(check_job(job));
  return job;
}

Result<void> check_job(const Job& job) {
  TRY_VOID(check_name("id", job.id, 64, "._-"));
  TRY_VOID(check_name("caller", job.caller, 128, "._:@-"));
  TRY_VOID(check_path("program", job.program, true));
  TRY_VOID(check_path("cwd", job.cwd, false));
  size_t bytes = 0;
  TRY_VOID(check_words("arguments", job.arguments, bytes));
  TRY_VOID(check_words("environment", job.environment, bytes));
  if (job.files.size() > job_files_max) return Error{"job: more than 62 files"};
  std::set<std::string_view> paths = {job.program};
  for (const auto& file : job.files) {
    TRY_VOID(check_path("file " + file.path.substr(0, 256), file.path, true));
    if (file.mode > 0777) return Error{"job: file " + file.path + " has a mode beyond 0777"};
    if (!paths.insert(file.path).second) return Error{"job: file " + file.path + " is there twice"};
  }
  return check_limits(job.limits);
}

}  // namespace shrike::sandbox
