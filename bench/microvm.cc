// The microVM by itself: how soon a job's first system call comes, how long a whole job takes, what a reset costs, what
// an idle machine holds. Called by the script `microvm`; prints one JSON object a line.
//
//   bench_microvm start RUNS PROGRAM ARGS...   new machines and ready ones, taken in turn
//   bench_microvm reset RUNS                   200 pages written, then reset, then compared with the template
//   bench_microvm memory MACHINES              proportional set size of each idle machine's process
//   bench_microvm run PROGRAM ARGS...          the program's output, once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "sandbox/microvm/backend.h"
#include "sandbox/microvm/machine/machine.h"

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

// How long each step of the set-up took, in their order.
struct Steps {
  std::vector<std::pair<std::string, Numbers>> all;
  void add(const Report& report) {
    for (const Step& step : report.steps) {
      auto found = std::ranges::find(all, step.name, &std::pair<std::string, Numbers>::first);
      if (found == all.end()) found = all.insert(all.end(), {step.name, {}});
      found->second.all.push_back(static_cast<double>(step.ns) / 1000);
    }
  }
  void print(const std::string& what) {
    for (auto& [name, numbers] : all) numbers.print((what + ", step: " + name).c_str());
  }
};

struct Outcome {
  Report report;
  double first_call_us = 0, whole_us = 0;
  std::string out;
};

// One job, as shrike-sandbox would run it for a client at the other end of a socket.
Outcome run_job(MicrovmBackend& backend, const Job& job, const Fd& program) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  Channel client{Fd(ends[0])};
  JobFiles files;
  files.program.reset(::dup(program.get()));
  Outcome outcome;
  uint64_t begin = 0, begun = 0;
  {
    Teller teller(Fd(ends[1]), job.limits);
    begin = boot_now_ns();
    outcome.report = backend.run(job, std::move(files), teller);
    outcome.whole_us = static_cast<double>(boot_now_ns() - begin) / 1000;
    if (auto sent = teller.finish(outcome.report); !sent) fail(sent.error().message);
  }
  while (auto message = need(client.receive())) {
    if (message->type == sandbox::Frame::out) outcome.out += message->payload;
    if (message->type == sandbox::Frame::begun) begun = load_le<uint64_t>(message->payload.data());
    if (message->type == sandbox::Frame::report) break;
  }
  if (outcome.report.status != Status::ok) fail("the job: " + outcome.report.cause);
  for (const Step& step : outcome.report.steps)
    if (step.name == "first call") outcome.first_call_us = static_cast<double>(begun + step.ns - begin) / 1000;
  return outcome;
}

Job job_of(char** arguments) {
  Job job;
  job.id = "bench";
  job.caller = "local:0";
  job.backend = Backend::microvm;
  job.program = arguments[0];
  for (; *arguments != nullptr; ++arguments) job.arguments.emplace_back(*arguments);
  job.environment = {"PATH=/usr/bin:/bin"};
  return job;
}

Result<Fd> program_of(char** arguments) {
  char* const real = ::realpath(arguments[0], nullptr);
  if (real == nullptr) return errno_error(arguments[0]);
  const std::string path = real;
  std::free(real);
  return sealed_file(path);
}

void wait_until_idle(const MicrovmBackend& backend) {
  // A machine that makes itself ready uses its processor time for that, and then none.
  for (uint64_t before = ~0ull, now = backend.cpu_ns(); now != before; now = backend.cpu_ns()) {
    before = now;
    ::usleep(20'000);
  }
}

void start(int runs, char** arguments) {
  const Job job = job_of(arguments);
  const Fd program = need(program_of(arguments));
  auto backend = need(MicrovmBackend::open());
  Numbers new_first, new_whole, ready_first, ready_whole;
  Steps new_steps, ready_steps;
  for (int i = 0; i < runs; ++i) {
    const Outcome made = run_job(*backend, job, program);
    new_first.all.push_back(made.first_call_us);
    new_whole.all.push_back(made.whole_us);
    new_steps.add(made.report);
    if (auto ready = backend->prepare(); !ready) fail(ready.error().message);
    wait_until_idle(*backend);
    const Outcome taken = run_job(*backend, job, program);
    ready_first.all.push_back(taken.first_call_us);
    ready_whole.all.push_back(taken.whole_us);
    ready_steps.add(taken.report);
  }
  new_first.print("new: request to first system call");
  new_whole.print("new: request to report");
  ready_first.print("ready: request to first system call");
  ready_whole.print("ready: request to report");
  new_steps.print("new");
  ready_steps.print("ready");
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

double pss_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; in >> word;)
    if (double kib = 0; word == "Pss:" && in >> kib) return kib;
  fail("no smaps_rollup of " + std::to_string(pid));
}

void memory(int machines) {
  const VmmHost host = need(VmmHost::open());
  std::vector<std::unique_ptr<Vmm>> all;
  for (int i = 0; i < machines; ++i) all.push_back(need(Vmm::start(host, {.ahead = true})));
  ::usleep(500'000);
  double sum = 0, most = 0;
  for (const auto& vmm : all) {
    const double kib = pss_kib(vmm->pid());
    sum += kib;
    most = std::max(most, kib);
  }
  std::printf(R"({"what": "idle machine", "mean_kib": %.0f, "most_kib": %.0f, "machines": %d})"
              "\n",
              sum / machines, most, machines);
}

void run(char** arguments) {
  auto backend = need(MicrovmBackend::open());
  Job job = job_of(arguments);
  job.limits.wall = job.limits.cpu = std::chrono::minutes(5);
  std::fputs(run_job(*backend, job, need(program_of(arguments))).out.c_str(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  if (what == "start" && argc > 3)
    start(std::atoi(argv[2]), argv + 3);
  else if (what == "reset")
    reset(std::atoi(argv[2]));
  else if (what == "memory")
    memory(std::atoi(argv[2]));
  else if (what == "run")
    run(argv + 2);
  else
    fail("usage: bench_microvm start RUNS PROGRAM ARGS... | reset RUNS | memory MACHINES | run PROGRAM ARGS...");
}
