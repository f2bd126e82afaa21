// usage: golden_record_calls BACKEND OUT PROGRAM [ARGUMENT...]: runs it in a sandbox and writes its calls to OUT.

#include <cstdio>
#include <string>

#include "common/base/file.h"
#include "sandbox/client.h"

int main(int argc, char** argv) {
  using namespace shrike::sandbox;
  if (argc < 4) return 2;
  Job job;
  job.id = "golden-job-1";
  job.caller = "local:0";
  job.backend = std::string(argv[1]) == "microvm" ? Backend::microvm : Backend::process;
  const std::string program = argv[3];
  job.program = "/job/" + program.substr(program.rfind('/') + 1);
  job.arguments.assign(argv + 3, argv + argc);
  job.environment = {"PATH=/usr/bin:/bin"};
  auto bytes = sealed_file(program);
  if (!bytes) return std::fprintf(stderr, "%s\n", bytes.error().message.c_str()), 1;
  JobFiles files;
  files.program = std::move(bytes).value();
  ClientOptions client;
  client.socket = "";
  auto running = JobClient::start(client, job, files);
  if (!running) return std::fprintf(stderr, "%s\n", running.error().message.c_str()), 1;
  std::string calls;
  JobEvents events;
  events.call = [&](const Call& call) { encode_call(call, calls); };
  const auto report = running->finish(events);
  if (!report) return std::fprintf(stderr, "%s\n", report.error().message.c_str()), 1;
  std::printf("%s: %zu bytes, %llu calls\n", argv[2], calls.size(), static_cast<unsigned long long>(report->calls));
  const auto written = shrike::write_file_atomic(argv[2], calls);
  return written ? 0 : 1;
}
