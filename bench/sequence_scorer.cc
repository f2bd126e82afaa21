// Sequence scoring alone, for bench/sequence: sequence_scorer learn|detect [SAMPLE [FOLDER]]
// Says "ready" and scores until standard input ends. For each line it answers with one of JSON: what the programs in
// FOLDER did. The line "settle" makes it judge with what it has learned, as after a restart.

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "agent/probe/decode.h"
#include "agent/probe/kernel_source.h"
#include "common/base/clock.h"

namespace {

using namespace shrike;

std::set<uint64_t> inodes_of(const char* folder) {
  std::set<uint64_t> inodes;
  DIR* dir = ::opendir(folder);
  if (dir == nullptr) return inodes;
  while (const dirent* entry = ::readdir(dir)) inodes.insert(entry->d_ino);
  ::closedir(dir);
  return inodes;
}

class Scorer {
 public:
  Scorer(probe::KernelSource source, probe::SequenceOptions options, std::set<uint64_t> ours)
      : source_(std::move(source)), options_(std::move(options)), ours_(std::move(ours)) {}

  void poll() {
    const auto polled = source_.poll(std::chrono::milliseconds(20), [&](std::span<const std::byte> record) {
      if (!decoder_.decode(record, event_) || event_.kind != EventKind::sequence || event_.arg[0] != 2) return;
      if (ours_.contains(event_.object.inode)) ++told_;
    });
    if (!polled) std::exit(1);
  }
  void settle() {
    options_.mode = probe::SequenceMode::detect;
    options_.known = source_.sequence_profiles();
    for (auto& p : options_.known) p.settled = true;
    if (!source_.reload(FilterSpec{}, &options_)) std::exit(1);
  }
  void answer() const {
    size_t programs = 0, ngrams = 0, full = 0;
    uint64_t calls = 0;
    for (const auto& p : source_.sequence_profiles()) {
      if (!ours_.contains(p.id.inode)) continue;
      ++programs;
      ngrams += p.ngrams.size();
      full += p.full ? 1 : 0;
      calls += p.calls;
    }
    const auto all = source_.sequence_counters();
    std::printf(
        "{\"programs\": %zu, \"ngrams\": %zu, \"full\": %zu, \"calls\": %lu, \"told\": %lu, \"held_back\": %lu, "
        "\"host_calls\": %lu, \"host_programs\": %lu, \"host_told\": %lu}\n",
        programs, ngrams, full, calls, told_, all.held_back, all.calls, all.programs, all.told);
    std::fflush(stdout);
  }

 private:
  probe::KernelSource source_;
  probe::SequenceOptions options_;
  std::set<uint64_t> ours_;
  probe::Decoder decoder_{wall_offset_ns()};
  Event event_;
  uint64_t told_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  probe::ProbeOptions options;
  options.sequence.mode = std::string(argv[1]) == "learn" ? probe::SequenceMode::learn : probe::SequenceMode::detect;
  options.sequence.sample = argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 1;
  options.sequence.reports_per_s = 1000;  // all of them are to be counted
  auto source = probe::KernelSource::open(options, FilterSpec{});
  if (!source || !source->features().sequence) {
    std::fprintf(stderr, "sequence_scorer: %s\n",
                 source ? source->features().notes.back().c_str() : source.error().message.c_str());
    return 1;
  }
  Scorer scorer(std::move(source).value(), options.sequence, argc > 3 ? inodes_of(argv[3]) : std::set<uint64_t>());
  std::puts("ready");
  std::fflush(stdout);
  for (std::string line;;) {
    scorer.poll();
    pollfd in{.fd = 0, .events = POLLIN, .revents = 0};
    if (::poll(&in, 1, 0) <= 0) continue;
    char byte = 0;
    if (::read(0, &byte, 1) != 1) return 0;
    if (byte != '\n') {
      line += byte;
      continue;
    }
    if (line == "settle") scorer.settle();
    scorer.answer();
    line.clear();
  }
}
