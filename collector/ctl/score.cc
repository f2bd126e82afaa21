#include "collector/ctl/score.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "collector/ctl/commands.h"
#include "common/base/fd.h"
#include "common/base/file.h"
#include "common/wire/text.h"
#include "scoring/sequence/calibration.h"
#include "scoring/sequence/scorer.h"

namespace shrike::ctl {
namespace {

using namespace scoring::sequence;

// What is learnt is kept whole, for leaving each trace out of its own judgement: 128 MiB.
constexpr size_t max_fit_calls = 64u << 20;

// Calls `each` with every trace of a file and how many bytes were read; it says whether to go on.
template <class Each>
Result<void> read_traces(const std::string& path, CallNotation notation, Each each) {
  const bool standard_input = path == "-";
  const Fd file(standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                               : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return errno_error(path);
  TraceReader reader(standard_input ? "standard input" : path, notation);
  std::vector<char> chunk(1 << 18);
  for (uint64_t bytes = 0;;) {
    const ssize_t n = ::read(file.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path);
    bytes += static_cast<uint64_t>(n);
    std::string_view text(chunk.data(), static_cast<size_t>(n));
    while (n == 0 || !text.empty()) {
      auto trace = n == 0 ? TRY(reader.finish()) : TRY(reader.next(text));
      if (trace && !each(std::move(*trace), bytes)) return {};
      if (n == 0) return {};
    }
  }
}

// What `shrike score` says while it works.
std::string so_far(const char* what, size_t traces, uint64_t bytes) {
  return std::string(what) + " " + std::to_string(traces) + " traces, " + std::to_string(bytes >> 20) + " MiB read";
}

struct Fitted {
  Profile profile;
  std::vector<float> past;
};

Result<Fitted> fit(const ScoreOptions& options) {
  Progress progress;
  Fitted fitted;
  std::vector<Trace> traces;
  size_t calls = 0;
  bool too_many = false;
  TRY_VOID(read_traces(options.fit, options.calls, [&](Trace trace, uint64_t bytes) {
    if (trace.calls.empty()) return true;
    calls += trace.calls.size();
    too_many = calls > max_fit_calls;
    fitted.profile.learn(trace.calls);
    traces.push_back(std::move(trace));
    progress.show(so_far("learning:", traces.size(), bytes));
    return !too_many;
  }));
  if (too_many) return Error{options.fit + ": more than " + std::to_string(max_fit_calls) + " calls to learn from"};
  if (traces.empty()) return Error{options.fit + ": no trace with a call in it, so there is nothing to compare with"};
  progress.show("judging what was learnt, each trace by all others");
  fitted.past = fitted.profile.leave_one_out(traces);
  return fitted;
}

std::string as_text(const Trace& trace, const Score& score, double p_value) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, "\t%.9g\t%.6g", score.combined, p_value);
  return printable(trace.name) + numbers;
}

std::string as_json(const Trace& trace, const Score& score, double p_value) {
  const nlohmann::ordered_json json{{"name", trace.name},         {"score", score.combined},
                                    {"p_value", p_value},         {"set_distance", score.set_distance},
                                    {"surprise", score.surprise}, {"calls", trace.calls.size()}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int run_score(const ScoreOptions& options, Output& out) {
  auto fitted = fit(options);
  if (!fitted.ok()) {
    complain(fitted.error().message);
    return exit_failed;
  }
  if (fitted->profile.refused() > 0) {
    complain(options.fit + ": more kinds of behaviour than are kept; what came last was left out");
  }
  if (!options.save.empty()) {
    fitted->profile.set_past(fitted->past);
    if (auto saved = write_file_atomic(options.save, fitted->profile.save()); !saved.ok()) {
      complain(saved.error().message);
      return exit_failed;
    }
  }
  if (options.input.empty()) return exit_ok;
  Scorer scorer(fitted->profile);
  Calibration calibration(fitted->past);
  Progress progress;
  size_t traces = 0;
  const bool quiet = ::isatty(STDOUT_FILENO) == 1;  // there the lines themselves show how far it is
  const auto judged = read_traces(options.input, options.calls, [&](const Trace& trace, uint64_t bytes) {
    const Score score = scorer.score(trace.calls);
    // An empty trace says nothing, and is no part of the past.
    const double p_value = trace.calls.empty() ? 1 : calibration.add(static_cast<float>(score.combined));
    ++traces;
    if (!quiet) progress.show(so_far("scored:", traces, bytes));
    return out.line(options.json ? as_json(trace, score, p_value) : as_text(trace, score, p_value));
  });
  if (judged.ok()) return exit_ok;
  complain(judged.error().message);
  return exit_failed;
}

}  // namespace shrike::ctl
