// What judging events costs: Falco's 25 rules (SHRIKE_FALCO_RULES, when set), those of a folder of Sigma's
// (SHRIKE_SIGMA_RULES, when set) and ours over a capture of real mixed work, and over single made-up events. Run in the
// project's folder.
//
// SHRIKE_CAPTURE: a capture, as bench/rules records it. Without it: the golden captures, which are short.
// SHRIKE_RULES: our rule file. `mixed/10` is the same with a rule set ten times as large, made by renaming rules,
// macros and lists and varying their literals. link: shrike_sigma shrike_rules shrike_enrich shrike_probe shrike_wire
#include <benchmark/benchmark.h>
#include <fcntl.h>

#include <deque>
#include <filesystem>
#include <regex>
#include <set>
#include <span>
#include <unordered_map>

#include "agent/enrich/host_lookup.h"
#include "agent/enrich/process_table.h"
#include "agent/probe/capture.h"
#include "agent/probe/decode.h"
#include "common/base/file.h"
#include "common/base/folder.h"
#include "scoring/rules/names.h"
#include "scoring/sigma/load.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s (run in the project's folder; the head of bench_rules.cc tells the variables)\n",
               why.c_str());
  std::exit(1);
}

std::string text_of(const char* file) {
  auto text = read_file(file);
  if (!text.ok()) give_up(text.error().message);
  return text.value();
}

std::vector<std::string> rule_texts() {
  std::vector<std::string> texts;
  if (const char* const falco = std::getenv("SHRIKE_FALCO_RULES"); falco != nullptr) texts.push_back(text_of(falco));
  const char* const ours = std::getenv("SHRIKE_RULES");
  texts.push_back(text_of(ours != nullptr ? ours : "packaging/config/rules/shrike.yaml"));
  return texts;
}

std::string replace_words(const std::string& text, const std::set<std::string>& words, const std::string& suffix) {
  static const std::regex word("[A-Za-z_][A-Za-z0-9_.-]*");
  std::string out;
  auto at = text.begin();
  for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it) {
    out.append(at, text.begin() + it->position() + it->length());
    if (words.contains(it->str())) out += suffix;
    at = text.begin() + it->position() + it->length();
  }
  return out.append(at, text.end());
}

// The same rules under other names and about other programs and paths.
std::string varied(std::string text, int copy) {
  // What the file requires is the same for every copy.
  static const std::regex first("\n- (list|macro|rule):");
  if (std::smatch at; text.find("- required_") != std::string::npos && std::regex_search(text, at, first))
    text.erase(0, static_cast<size_t>(at.position()));
  const std::string suffix = "_" + std::to_string(copy);
  std::set<std::string> names, lists;
  static const std::regex defined("- (macro|list): +([A-Za-z0-9_.-]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), defined), end; it != end; ++it) {
    names.insert((*it)[2]);
    if ((*it)[1] == "list") lists.insert((*it)[2]);
  }
  std::string out = std::regex_replace(text, std::regex("- rule: +([^\n]+)"), "- rule: $1 " + std::to_string(copy));
  // Items of lists that are no lists themselves; names that processes are compared with; first folders of paths.
  std::set<std::string> programs;
  static const std::regex items("items: *\\[([^\\]]*)\\]"), item("[A-Za-z_][A-Za-z0-9_.-]*");
  for (std::sregex_iterator it(text.begin(), text.end(), items), end; it != end; ++it) {
    const std::string inside = (*it)[1];
    for (std::sregex_iterator word(inside.begin(), inside.end(), item); word != end; ++word)
      if (!lists.contains(word->str()) && !is_event_type(word->str())) programs.insert(word->str());
  }
  out = std::regex_replace(out, std::regex("(proc\\.[ap]?name *!?=) *\"?([A-Za-z0-9_.-]+)\"?"), "$1 $2" + suffix);
  out = std::regex_replace(out, std::regex("items: *\\[([^\\]]*)\\]"), "items: [$1]");
  std::string with_items;
  auto at = out.cbegin();
  for (std::sregex_iterator it(out.begin(), out.end(), items), end; it != end; ++it) {
    with_items.append(at, out.cbegin() + it->position());
    with_items += replace_words(it->str(), programs, suffix);
    at = out.cbegin() + it->position() + it->length();
  }
  out = with_items.append(at, out.cend());
  out = std::regex_replace(out, std::regex("/(etc|usr|bin|sbin|root|var|home|dev|proc|boot|lib|run|tmp|opt|sys)\\b"),
                           "/$1" + suffix);
  return replace_words(out, names, suffix);
}

// Sigma's values stand in quotes.
std::string varied_sigma(const std::string& text, int copy) {
  return std::regex_replace(text, std::regex("'([^'\n]*[A-Za-z])'"), "'$01" + std::to_string(copy) + "'");
}

std::vector<std::string> sigma_texts() {
  const char* const folder = std::getenv("SHRIKE_SIGMA_RULES");
  if (folder == nullptr) return {};
  auto files = files_of_folders({folder}, rule_file_endings);
  if (!files.ok()) give_up(files.error().message);
  std::vector<std::string> texts;
  for (const std::string& file : *files) texts.push_back(text_of(file.c_str()));
  return texts;
}

RuleSet rules(int64_t times = 1) {
  std::vector<RuleFile> files;
  for (const std::string& text : rule_texts()) {
    files.push_back({"rules", text});
    for (int copy = 1; copy < times; ++copy) files.push_back({"rules", varied(text, copy)});
  }
  for (const std::string& text : sigma_texts()) {
    files.push_back({"sigma", text});
    for (int copy = 1; copy < times; ++copy) files.push_back({"sigma", varied_sigma(text, copy)});
  }
  auto set = compile_rules(files, nullptr);
  if (!set.ok()) give_up(set.error().message);
  return std::move(set.value());
}

// A capture's events, decoded and enriched, with memory of their own.
class Recorded {
 public:
  std::vector<Event> events;

  void add(const std::string& file) {
    auto reader = probe::CaptureReader::open(file);
    if (!reader.ok()) give_up(reader.error().message);
    probe::Decoder decoder(reader.value().info().wall_offset_ns);
    enrich::HostLookup lookup({.proc = "", .cgroup = "", .etc = "/etc"});
    enrich::ProcessTable table({}, lookup);
    newest_.clear();
    Event event;
    for (;;) {
      auto record = reader.value().next();
      if (!record.ok() || !record.value().has_value()) break;
      if (!decoder.decode(*record.value(), event).ok()) continue;
      lookup.set_now(event.boot_ns);
      table.apply(event);
      keep(event);
    }
  }

 private:
  void keep(Event event) {
    for (std::string_view* text : {&event.path.text, &event.path2.text, &event.full_path, &event.full_path2,
                                   &event.real_path, &event.cwd, &event.path_at_exit, &event.socket_path})
      *text = text->empty() ? std::string_view{} : texts_.emplace_back(*text);
    event.process = snapshot(event.process);
    event.target = snapshot(event.target);
    events.push_back(event);
  }
  // The process as it was at the event; the one before where nothing rules can see has changed.
  const Process* snapshot(const Process* process) {
    if (process == nullptr) return nullptr;
    const Process* const parent = snapshot(process->parent);
    const Process*& last = newest_[process];
    if (last == nullptr || last->pid != process->pid || last->start_ns != process->start_ns ||
        last->name != process->name || last->exe != process->exe || last->argv != process->argv ||
        last->task.uid != process->task.uid || last->parent != parent) {
      Process& copy = processes_.emplace_back(*process);
      copy.parent = parent;
      last = &copy;
    }
    return last;
  }

  std::deque<std::string> texts_;
  std::deque<Process> processes_;
  std::unordered_map<const Process*, const Process*> newest_;
};

const Recorded& recorded() {
  static const Recorded all = [] {
    Recorded events;
    if (const char* const file = std::getenv("SHRIKE_CAPTURE"); file != nullptr) {
      events.add(file);
    } else {
      for (const auto& entry : std::filesystem::directory_iterator("tests/golden/captures"))
        if (entry.path().extension() == ".cap") events.add(entry.path());
    }
    return events;
  }();
  return all;
}

// In life an event is judged right after it was decoded and enriched, so what it is made of is in the second cache;
// here it lies somewhere in hundreds of MiB. Reads it all, before the time counts.
class Warmer {
 public:
  void warm(const Event& event) {
    touch(&event, sizeof event);
    for (const std::string_view text : {event.path.text, event.path2.text, event.full_path, event.full_path2,
                                        event.real_path, event.cwd, event.path_at_exit, event.socket_path})
      touch(text.data(), text.size());
    for (const Process* process = event.process; process != nullptr; process = process->parent) {
      touch(process, sizeof *process);
      touch(process->exe.data(), process->exe.size());
      touch(process->argv.data(), process->argv.size() * sizeof(std::string));
      for (const std::string& argument : process->argv) touch(argument.data(), argument.size());
    }
    benchmark::DoNotOptimize(sum_);
  }

 private:
  void touch(const void* from, size_t size) {
    const auto* const bytes = static_cast<const unsigned char*>(from);
    for (size_t at = 0; at < size; at += 64) sum_ += bytes[at];
    if (size > 0) sum_ += bytes[size - 1];
  }
  unsigned sum_ = 0;
};

void judge_all(benchmark::State& state, const std::vector<const Event*>& events, int64_t times) {
  const RuleSet set = rules(times);
  std::vector<Alert> alerts;
  size_t found = 0;
  Warmer warmer;
  constexpr size_t block = 256;
  for (auto _ : state) {
    for (size_t from = 0; from < events.size(); from += block) {
      const std::span<const Event* const> some(events.data() + from, std::min(block, events.size() - from));
      state.PauseTiming();
      for (const Event* event : some) warmer.warm(*event);
      state.ResumeTiming();
      for (const Event* event : some) {
        set.evaluate(*event, alerts);
        found += alerts.size();
        alerts.clear();
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(events.size()));
  state.counters["events"] = static_cast<double>(events.size());
  state.counters["alerts"] = static_cast<double>(found) / static_cast<double>(state.iterations());
  state.counters["rules"] = static_cast<double>(set.size());
  state.counters["time_per_event"] = benchmark::Counter(
      static_cast<double>(events.size()), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

std::vector<const Event*> of_kind(EventKind kind) {
  std::vector<const Event*> events;
  for (const Event& event : recorded().events)
    if (kind == EventKind::none || event.kind == kind) events.push_back(&event);
  return events;
}

void mixed(benchmark::State& state) { judge_all(state, of_kind(EventKind::none), state.range(0)); }
void mixed_exec(benchmark::State& state) { judge_all(state, of_kind(EventKind::exec), state.range(0)); }
void by_kind(benchmark::State& state) {
  const auto kind = static_cast<EventKind>(state.range(0));
  state.SetLabel(std::string(kind_name(kind)));
  judge_all(state, of_kind(kind), state.range(1));
}
void kinds_there_are(benchmark::internal::Benchmark* bench) {
  for (int k = 1; k < static_cast<int>(event_kind_count); ++k)
    if (kind_name(static_cast<EventKind>(k)) != "none")
      for (const int times : {1, 10}) bench->Args({k, times});
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
void connect(benchmark::State& state) {
  Work s(EventKind::connect);
  s.tcp({10, 0, 0, 1}, 40000, {10, 0, 0, 2}, 443).call(42);
  judge(state, s.event);
}
void alert_made(benchmark::State& state) {
  Work s(EventKind::open);
  s.program("/usr/bin/cat", {"/etc/shadow"}).uid(0).reads("/etc/shadow").call(257);
  judge(state, s.event);
}
void compile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(rules(state.range(0)).size());
}

BENCHMARK(mixed)->Arg(1)->Arg(2)->Arg(5)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK(mixed_exec)->Arg(1)->Arg(2)->Arg(5)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK(by_kind)->Apply(kinds_there_are)->Unit(benchmark::kMillisecond);
BENCHMARK(exec);
BENCHMARK(exec_shell);
BENCHMARK(open_read);
BENCHMARK(open_write);
BENCHMARK(connect);
BENCHMARK(alert_made);
BENCHMARK(compile)->Arg(1)->Arg(10)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace shrike::scoring
