// What judging one event costs with the rules we ship: matching nothing, as nearly every event does.
// link: shrike_rules shrike_wire
#include <benchmark/benchmark.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

RuleSet rules() {
  const char* const file = std::getenv("SHRIKE_RULES");
  auto text = read_file(file != nullptr ? file : "packaging/config/rules/shrike.yaml");
  if (!text.ok()) {
    std::fprintf(stderr, "%s (run in the project's folder, or set SHRIKE_RULES)\n", text.error().message.c_str());
    std::exit(1);
  }
  return RuleSet::compile({{"rules", text.value()}}, nullptr).value();
}

// A compiler run by make below a shell below sshd: as deep as ordinary work is.
class Work : public Scene {
 public:
  explicit Work(EventKind kind) : Scene(kind) {
    program("/usr/bin/x86_64-linux-gnu-gcc-12",
            {"-O2", "-Wall", "-c", "-o", "build/main.o", "src/main.c", "-I", "include"});
    child_of("/usr/bin/make", {"-j2"});
    chain_.resize(6);
    for (size_t i = 0; i < chain_.size(); ++i) {
      chain_[i].name = i % 2 == 0 ? "bash" : "sshd";
      chain_[i].exe = i % 2 == 0 ? "/usr/bin/bash" : "/usr/sbin/sshd";
      chain_[i].argv = {chain_[i].name};
      chain_[i].parent = i == 0 ? nullptr : &chain_[i - 1];
    }
    parent().parent = &chain_.back();
  }

 private:
  std::vector<Process> chain_;
};

void judge(benchmark::State& state, const Event& event) {
  const RuleSet set = rules();
  std::vector<Alert> alerts;
  for (auto _ : state) {
    set.evaluate(event, alerts);
    benchmark::DoNotOptimize(alerts.data());
    alerts.clear();
  }
}

void exec(benchmark::State& state) {
  Work s(EventKind::exec);
  s.path("/usr/bin/x86_64-linux-gnu-gcc-12").call(59);
  judge(state, s.event);
}
void exec_shell(benchmark::State& state) {
  Work s(EventKind::exec);
  s.program("/usr/bin/dash", {"-c", "echo hello; test -f Makefile"}).path("/usr/bin/dash").call(59);
  judge(state, s.event);
}
void open_read(benchmark::State& state) {
  Work s(EventKind::open);
  s.reads("/usr/include/x86_64-linux-gnu/bits/types.h").call(257);
  judge(state, s.event);
}
void open_write(benchmark::State& state) {
  Work s(EventKind::open);
  s.writes("/home/alice/project/build/main.o").call(257);
  judge(state, s.event);
}
void unlink_temporary(benchmark::State& state) {
  Work s(EventKind::unlink);
  s.path("/tmp/ccAbCdEf.s").call(87);
  judge(state, s.event);
}
void connect(benchmark::State& state) {
  Work s(EventKind::connect);
  s.tcp({10, 0, 0, 1}, 40000, {10, 0, 0, 2}, 443).call(42);
  judge(state, s.event);
}
void fork(benchmark::State& state) {
  Work s(EventKind::fork);
  s.arg(0, 0x1200011).call(56);
  judge(state, s.event);
}
void setid(benchmark::State& state) {
  Work s(EventKind::setid);
  s.uid(0).call(105);
  judge(state, s.event);
}
void kind_without_rules(benchmark::State& state) {
  Work s(EventKind::socket);
  judge(state, s.event);
}
void alert_made(benchmark::State& state) {
  Work s(EventKind::open);
  s.program("/usr/bin/cat", {"/etc/shadow"}).uid(0).reads("/etc/shadow").call(257);
  judge(state, s.event);
}
void compile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(rules().size());
}

BENCHMARK(exec);
BENCHMARK(exec_shell);
BENCHMARK(open_read);
BENCHMARK(open_write);
BENCHMARK(unlink_temporary);
BENCHMARK(connect);
BENCHMARK(fork);
BENCHMARK(setid);
BENCHMARK(kind_without_rules);
BENCHMARK(alert_made);
BENCHMARK(compile)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace shrike::scoring
