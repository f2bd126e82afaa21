// Time from a request to the program's first instruction, one way after the other in each round:
//   bwrap      bwrap --unshare-all with a view of /usr, from posix_spawn on
//   service    the process sandbox of shrike-sandbox serve, which has one ready, from the client's start on
//   alone      the same without a service: all is made when it is asked for
// usage: bench_sandbox_start PROGRAM SHRIKE_SANDBOX SOCKET ROUNDS [BACKEND]

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "sandbox/client.h"

extern char** environ;

using namespace shrike;
using namespace shrike::sandbox;

namespace {

struct Samples {
  std::vector<double> us;
  std::map<std::string, std::vector<double>> steps;
  void add(uint64_t from_ns, const std::string& bytes) {
    uint64_t at = 0;
    if (bytes.size() < sizeof at) std::exit(1);
    std::memcpy(&at, bytes.data(), sizeof at);
    us.push_back(static_cast<double>(at - from_ns) / 1000);
  }
  [[nodiscard]] double at(double part) {
    std::sort(us.begin(), us.end());
    return us[static_cast<size_t>(part * static_cast<double>(us.size() - 1))];
  }
};

void bwrap(const std::string& program, Samples& samples) {
  const char* argv[] = {"bwrap",         "--unshare-all", "--ro-bind",    "/usr",      "/usr",   "--symlink",
                        "usr/lib",       "/lib",          "--symlink",    "usr/lib64", "/lib64", "--proc",
                        "/proc",         "--dev",         "/dev",         "--tmpfs",   "/tmp",   "--ro-bind",
                        program.c_str(), "/tmp/program",  "/tmp/program", nullptr};
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) std::exit(1);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
  const uint64_t from = boot_now_ns();
  pid_t pid = -1;
  if (::posix_spawnp(&pid, "bwrap", &actions, nullptr, const_cast<char**>(argv), environ) != 0) std::exit(77);
  ::close(fds[1]);
  char bytes[64];
  const ssize_t got = ::read(fds[0], bytes, sizeof bytes);
  ::waitpid(pid, nullptr, 0);
  ::close(fds[0]);
  ::posix_spawn_file_actions_destroy(&actions);
  samples.add(from, std::string(bytes, got > 0 ? static_cast<size_t>(got) : 0));
}

void ours(const std::string& program, const ClientOptions& options, Backend backend, Samples& samples) {
  static int count = 0;
  Job job;
  job.id = "bench-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  job.caller = "bench";
  job.backend = backend;
  job.program = "/tmp/program";
  job.arguments = {"program"};
  const uint64_t from = boot_now_ns();
  JobFiles files;
  auto bytes = sealed_file(program);
  if (!bytes) std::exit(1);
  files.program = std::move(*bytes);
  auto client = JobClient::start(options, job, files);
  const uint64_t sent = boot_now_ns();
  std::string out;
  JobEvents events;
  events.out = [&](std::string_view text) { out += text; };
  auto report = client ? client->finish(events) : Result<Report>(client.error());
  if (!report || report->status != Status::ok) {
    std::fprintf(stderr, "%s\n", report ? report->cause.c_str() : report.error().message.c_str());
    std::exit(1);
  }
  samples.add(from, out);
  for (const auto& step : report->steps) samples.steps[step.name].push_back(static_cast<double>(step.ns) / 1000);
  samples.steps["(client: file, connect, send)"].push_back(static_cast<double>(sent - from) / 1000);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::string program = argv[1];
  const ClientOptions service{argv[3], argv[2], {}}, alone{"", argv[2], {}};
  const Backend backend = argc > 5 && std::string(argv[5]) == "microvm" ? Backend::microvm : Backend::process;
  Samples by_bwrap, by_service, by_own;
  for (int i = 0; i < std::atoi(argv[4]); ++i) {
    bwrap(program, by_bwrap);
    ours(program, service, backend, by_service);
    ours(program, alone, backend, by_own);
    // So that the service has the next one ready: that is what it is for.
    ::usleep(100'000);
  }
  std::printf("%-8s %10s %10s %10s  us to the first instruction\n", "", "median", "p10", "p90");
  for (auto& [name, samples] :
       {std::pair<const char*, Samples&>{"bwrap", by_bwrap}, {"service", by_service}, {"alone", by_own}})
    std::printf("%-8s %10.0f %10.0f %10.0f\n", name, samples.at(0.5), samples.at(0.1), samples.at(0.9));
  for (auto& [name, all] : by_service.steps) {
    std::sort(all.begin(), all.end());
    std::printf("  %-30s %8.0f\n", name.c_str(), all[all.size() / 2]);
  }
  std::printf("service / bwrap: %.2f   alone / bwrap: %.2f\n", by_service.at(0.5) / by_bwrap.at(0.5),
              by_own.at(0.5) / by_bwrap.at(0.5));
}
