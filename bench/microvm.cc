// The microVM's figures, for the script `microvm`; prints one JSON object a line.
//
//   bench_microvm start NEW READY ROUNDS PROGRAM ARGS...   jobs at two services' sockets, taken in turn
//   bench_microvm compute SOCKET ROUNDS PROGRAM ARGS...    processor time natively and in the guest, taken in turn
//   bench_microvm reset ROUNDS                             200 pages written, reset, compared with the template

#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/base/clock.h"
#include "sandbox/client.h"
#include "sandbox/microvm/machine/machine.h"

extern char** environ;

namespace {

using namespace shrike;
using namespace shrike::sandbox;
using namespace shrike::sandbox::microvm;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "bench_microvm: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}

struct Numbers {
  std::vector<double> all;
  [[nodiscard]] double at(double share) {
    std::ranges::sort(all);
    return all.empty() ? 0
                       : all[std::min(all.size() - 1, static_cast<size_t>(share * static_cast<double>(all.size())))];
  }
  void print(const char* what) {
    std::printf(R"({"what": "%s", "median_us": %.1f, "p10_us": %.1f, "p90_us": %.1f, "runs": %zu})"
                "\n",
                what, at(0.5), at(0.1), at(0.9), all.size());
    std::fflush(stdout);
  }
};

// How long each step took, in the order in which they were first told.
struct Steps {
  std::vector<std::pair<std::string, Numbers>> all;
  void add(const std::string& name, double us) {
    auto found = std::ranges::find(all, name, &std::pair<std::string, Numbers>::first);
    if (found == all.end()) found = all.insert(all.end(), {name, {}});
    found->second.all.push_back(us);
  }
  void print(const std::string& what) {
    for (auto& [name, numbers] : all) numbers.print((what + name).c_str());
  }
};

Job job_of(const std::vector<std::string>& words) {
  static int count = 0;
  Job job;
  job.id = "bench-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  job.caller = "bench";
  job.backend = Backend::microvm;
  job.program = "/tmp/" + words.front().substr(words.front().rfind('/') + 1);
  job.arguments = words;
  job.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8"};
  job.limits.wall = job.limits.cpu = std::chrono::minutes(2);
  return job;
}

struct Outcome {
  Report report;
  double first_call_us = 0, whole_us = 0;
};

// One job as any client has it: from before its program is read until its report is there.
Outcome run_job(const std::string& socket, const std::vector<std::string>& words) {
  const Job job = job_of(words);
  Outcome outcome;
  const uint64_t begin = boot_now_ns();
  JobFiles files;
  files.program = need(sealed_file(words.front()));
  JobClient client = need(JobClient::start({socket, "", {}}, job, files));
  JobEvents events;
  events.call = [&](const Call& call) {
    if (outcome.first_call_us == 0 && call.kind == CallKind::call)
      outcome.first_call_us = static_cast<double>(call.time_ns - begin) / 1000;
  };
  outcome.report = need(client.finish(events));
  outcome.whole_us = static_cast<double>(boot_now_ns() - begin) / 1000;
  if (outcome.report.status != Status::ok) fail("the job: " + outcome.report.cause);
  return outcome;
}

void start(const std::string& new_socket, const std::string& ready_socket, int rounds,
           const std::vector<std::string>& words) {
  Steps figures, steps;
  for (int i = 0; i < rounds; ++i)
    for (const auto& [name, socket] :
         {std::pair<std::string, std::string>{"new", new_socket}, {"ready", ready_socket}}) {
      const Outcome outcome = run_job(socket, words);
      figures.add(name + ": first call", outcome.first_call_us);
      figures.add(name + ": whole", outcome.whole_us);
      for (const Step& step : outcome.report.steps)
        steps.add(name + ", " + step.name, static_cast<double>(step.ns) / 1000);
      // So that the service has the next one ready: that is what it is for.
      ::usleep(100'000);
    }
  figures.print("");
  steps.print("step: ");
}

double native_cpu_us(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) fail(words.front());
  int status = 0;
  rusage usage{};
  if (::wait4(pid, &status, 0, &usage) != pid || status != 0) fail(words.front() + " failed on this host");
  const auto us = [](const timeval& time) {
    return 1e6 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

// Processor time, because other work on the machine does not count there: of the program, and of all of its machine's
// process, its start and its calls included.
void compute(const std::string& socket, int rounds, const std::vector<std::string>& words) {
  Numbers native, guest;
  for (int i = 0; i < rounds; ++i) {
    native.all.push_back(native_cpu_us(words));
    guest.all.push_back(static_cast<double>(run_job(socket, words).report.cpu_ns) / 1000);
  }
  native.print("native");
  guest.print("guest");
}

void reset(int runs) {
  constexpr uint64_t pages = 200, code_at = 0x400000, data_at = 0x10000000;
  // mov %rax, (%rbx); add $4096, %rbx; dec %rcx; jnz; syscall
  constexpr uint8_t code[] = {0x48, 0x89, 0x03, 0x48, 0x81, 0xc3, 0x00, 0x10, 0,
                              0,    0x48, 0xff, 0xc9, 0x75, 0xf1, 0x0f, 0x05};
  auto machine = need(Machine::create(256u << 20));
  if (auto kept = machine->keep_template(); !kept) fail(kept.error().message);
  Numbers took, compared;
  for (int i = 0; i < runs; ++i) {
    {
      auto table = PageTable::create(machine->physical());
      const auto frame = *machine->physical().allocate();
      std::ranges::copy(std::as_bytes(std::span(code)), machine->physical().bytes(frame).begin());
      if (!table->map(code_at, frame, {.execute = true})) fail("no memory");
      for (uint64_t page = 0; page < pages; ++page)
        if (!table->map(data_at + page * page_bytes, *machine->physical().allocate(), {.write = true}))
          fail("no memory");
      Context context;
      context.registers.rip = code_at;
      context.registers.rbx = data_at;
      context.registers.rcx = pages;
      context.registers.rax = ~0ull;
      if (machine->run(context, *table, 1'000'000'000).kind != Exit::Kind::call) fail("the guest did not call");
      machine->forget(context);
    }
    const uint64_t begin = boot_now_ns();
    if (auto done = machine->reset(); !done) fail(done.error().message);
    const uint64_t end = boot_now_ns();
    if (auto same = machine->check_reset(); !same) fail(same.error().message);
    took.all.push_back(static_cast<double>(end - begin) / 1000);
    compared.all.push_back(static_cast<double>(boot_now_ns() - end) / 1000);
  }
  took.print("reset with 200 pages written");
  compared.print("every page and register compared with the template");
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto rest = [&](size_t from) {
    return std::vector<std::string>(words.begin() + static_cast<long>(from), words.end());
  };
  if (words.size() >= 5 && words[0] == "start")
    start(words[1], words[2], std::atoi(words[3].c_str()), rest(4));
  else if (words.size() >= 4 && words[0] == "compute")
    compute(words[1], std::atoi(words[2].c_str()), rest(3));
  else if (words.size() == 2 && words[0] == "reset")
    reset(std::atoi(words[1].c_str()));
  else
    fail(
        "usage: bench_microvm start NEW_SOCKET READY_SOCKET ROUNDS PROGRAM ARGS... | compute SOCKET ROUNDS PROGRAM "
        "ARGS... | reset ROUNDS");
}
