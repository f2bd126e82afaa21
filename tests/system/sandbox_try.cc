// Runs one program in a sandbox through the client, for tests and benches: prints what it is told.
// usage: tests_sandbox_try [OPTION=VALUE]... PROGRAM [ARGUMENT]...
//   backend, profile, network, wall_ms, cpu_ms, memory, output, file_bytes, files, processes, calls: the job's
//   socket, sandbox: where to run it; id, caller; input=FILE; put=PATH:FILE; cwd=PATH
//   trace=1: each call as a line on standard error; own=1: never ask a service
// Standard output: the program's output, then a line with the report as JSON.

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <map>

#include "sandbox/client.h"
#include "sandbox/policy.h"

using namespace shrike;
using namespace shrike::sandbox;

namespace {

int fail(const Error& error) {
  std::cerr << "sandbox_try: " << error.message << "\n";
  return 2;
}

struct Asked {
  Job job;
  JobFiles files;
  ClientOptions client;
  bool trace = false;
};

Result<void> option(Asked& asked, const std::string& key, const std::string& value) {
  Job& job = asked.job;
  const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
  const auto milliseconds = [&] { return std::chrono::milliseconds(number()); };
  if (key == "backend")
    job.backend = value == "microvm" ? Backend::microvm : Backend::process;
  else if (key == "profile")
    job.profile = value == "strict" ? Profile::strict : Profile::observe;
  else if (key == "network")
    job.network = value == "none" ? Network::none : Network::sink;
  else if (key == "wall_ms")
    job.limits.wall = milliseconds();
  else if (key == "cpu_ms")
    job.limits.cpu = milliseconds();
  else if (key == "memory")
    job.limits.memory_bytes = number();
  else if (key == "output")
    job.limits.output_bytes = number();
  else if (key == "file_bytes")
    job.limits.file_bytes = number();
  else if (key == "files")
    job.limits.files = static_cast<uint32_t>(number());
  else if (key == "processes")
    job.limits.processes = static_cast<uint32_t>(number());
  else if (key == "calls")
    job.limits.calls = number();
  else if (key == "socket")
    asked.client.socket = value;
  else if (key == "sandbox")
    asked.client.program = value;
  else if (key == "own")
    asked.client.socket.clear();
  else if (key == "notify")
    asked.client.options = {"--trace", "notify"};
  else if (key == "id")
    job.id = value;
  else if (key == "caller")
    job.caller = value;
  else if (key == "cwd")
    job.cwd = value;
  else if (key == "trace")
    asked.trace = true;
  else if (key == "input") {
    job.has_input = true;
    asked.files.input = TRY(sealed_file(value));
  } else if (key == "put") {
    const size_t colon = value.find(':');
    job.files.push_back({value.substr(0, colon), 0755});
    asked.files.files.push_back(TRY(sealed_file(value.substr(colon + 1))));
  } else {
    return Error{"no option " + key};
  }
  return {};
}

void print_call(const Call& call) {
  std::string line = std::to_string(call.seq) + " " + std::to_string(call.pid) + "/" + std::to_string(call.tid);
  static constexpr const char* kinds[] = {"call", "start", "exec", "exit", "signal"};
  line += " " + std::string(kinds[static_cast<int>(call.kind)]);
  if (call.kind == CallKind::call) line += " " + call_name(call.abi, call.number);
  for (const auto arg : call.args) line += " " + std::to_string(static_cast<int64_t>(arg));
  line += " = " + std::to_string(call.result) + " flags " + std::to_string(call.flags);
  for (const auto& text : call.texts) {
    line += " " + std::to_string(static_cast<int>(text.kind)) + ":";
    for (const char c : text.text) line += c >= ' ' && c < 127 ? c : '.';
  }
  std::cerr << line << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  asked.job.id = "try-" + std::to_string(::getpid());
  asked.job.caller = "local:" + std::to_string(::getuid());
  asked.job.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"};
  int at = 1;
  for (; at < argc && std::strchr(argv[at], '=') != nullptr; ++at) {
    const std::string word = argv[at];
    const size_t equals = word.find('=');
    if (auto done = option(asked, word.substr(0, equals), word.substr(equals + 1)); !done) return fail(done.error());
  }
  if (at >= argc) return fail(Error{"no program"});
  const std::string program = argv[at];
  asked.job.program = "/tmp/" + program.substr(program.rfind('/') + 1);
  for (; at < argc; ++at) asked.job.arguments.emplace_back(argv[at]);
  auto bytes = sealed_file(program);
  if (!bytes) return fail(bytes.error());
  asked.files.program = std::move(*bytes);
  auto client = JobClient::start(asked.client, asked.job, asked.files);
  if (!client) return fail(client.error());
  JobEvents events;
  events.out = [](std::string_view text) { std::cout << text << std::flush; };
  events.err = [](std::string_view text) { std::cerr << text; };
  if (asked.trace) events.call = print_call;
  const auto report = client->finish(events);
  if (!report) return fail(report.error());
  std::cout << "\n" << report_to_json(*report) << std::endl;
  return 0;
}
