// What judging a system call by its sequence costs, and learning and keeping a profile. With ADFA-LD where SHRIKE_DATA
// (or ../shared/data) has it, else with a program made up; items are calls.
// link: shrike_sequence shrike_wire
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include "common/base/file.h"
#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"
#include "scoring/sequence/trace_reader.h"
#include "tests/unit/sequence/traces.h"

namespace shrike::scoring::sequence {
namespace {

void read(const std::string& file, std::vector<Trace>& traces) {
  const char* const folder = std::getenv("SHRIKE_DATA");
  const auto text = read_file((folder != nullptr ? folder : "../shared/data") + ("/adfa-ld/" + file));
  if (!text.ok()) return;
  TraceReader reader(file);
  for (std::string_view rest = *text; !rest.empty();) {
    auto trace = reader.next(rest);
    if (!trace.ok()) return;
    if (*trace) traces.push_back(std::move(**trace));
  }
}

struct Data {
  Data() {
    read("normal-train.tsv", train);
    read("normal-validation.tsv", test);
    read("attack.tsv", test);
    if (!train.empty() && !test.empty()) return;
    std::fputs("no ADFA-LD (SHRIKE_DATA): a program made up instead\n", stderr);
    for (unsigned i = 0; i < 800; ++i) train.push_back({"", program_trace(i, 100)});
    for (unsigned i = 0; i < 4000; ++i) test.push_back({"", program_trace(1000 + i, 100)});
  }
  std::vector<Trace> train, test;
};
const Data& data() {
  static const Data all;
  return all;
}
const Profile& profile() {
  static const Profile learnt = [] {
    Profile fresh;
    for (const Trace& trace : data().train) fresh.learn(trace.calls);
    return fresh;
  }();
  return learnt;
}
int64_t calls_of(const std::vector<Trace>& traces) {
  int64_t calls = 0;
  for (const Trace& trace : traces) calls += static_cast<int64_t>(trace.calls.size());
  return calls;
}

void score(benchmark::State& state) {
  Scorer scorer(profile());
  for (auto _ : state) {
    for (const Trace& trace : data().test) benchmark::DoNotOptimize(scorer.score(trace.calls).combined);
  }
  state.SetItemsProcessed(state.iterations() * calls_of(data().test));
}
void step(benchmark::State& state) {
  const Automaton automaton(profile().ngrams());
  for (auto _ : state) {
    Surprise sum = 0;
    for (const Trace& trace : data().test) {
      uint32_t at = Automaton::start;
      for (const Call call : trace.calls) sum += automaton.step(at, call);
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * calls_of(data().test));
}
void set_distance(benchmark::State& state) {
  const SetIndex index(profile().sets());
  const CallSet calls = set_of(data().test.front().calls);
  for (auto _ : state) benchmark::DoNotOptimize(index.distance(calls));
}
void calibrate(benchmark::State& state) {
  Calibration calibration({});
  uint32_t random = 1;
  for (auto _ : state) {
    random = random * 1664525 + 1013904223;
    benchmark::DoNotOptimize(calibration.add(static_cast<float>(random >> 8)));
  }
}
void learn(benchmark::State& state) {
  for (auto _ : state) {
    Profile fresh;
    for (const Trace& trace : data().train) fresh.learn(trace.calls);
    benchmark::DoNotOptimize(fresh.traces());
  }
  state.SetItemsProcessed(state.iterations() * calls_of(data().train));
}
void leave_one_out(benchmark::State& state) {
  Profile learnt = profile();
  for (auto _ : state) benchmark::DoNotOptimize(learnt.leave_one_out(data().train).size());
  state.SetItemsProcessed(state.iterations() * calls_of(data().train));
}
void make_scorer(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Scorer(profile()).automaton().states());
}
void save(benchmark::State& state) {
  size_t bytes = 0;
  for (auto _ : state) bytes = profile().save().size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
void load(benchmark::State& state) {
  const std::string bytes = profile().save();
  for (auto _ : state) benchmark::DoNotOptimize(Profile::load(bytes).ok());
}

BENCHMARK(score)->Unit(benchmark::kMillisecond);
BENCHMARK(step)->Unit(benchmark::kMillisecond);
BENCHMARK(set_distance);
BENCHMARK(calibrate);
BENCHMARK(learn)->Unit(benchmark::kMillisecond);
BENCHMARK(leave_one_out)->Unit(benchmark::kMillisecond);
BENCHMARK(make_scorer)->Unit(benchmark::kMillisecond);
BENCHMARK(save)->Unit(benchmark::kMillisecond);
BENCHMARK(load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace shrike::scoring::sequence
