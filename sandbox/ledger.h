#pragma once
// Who may run how much: what each caller has used in the last hour and what he uses now, and which jobs were run
// already. One append-only file; what is in memory is made of it at the start.
//
// A job takes what it may use at most before it begins, and gives back what it did not use when it ends, so that no
// count is ever below zero or above what was allowed. A line is written before what it says is done, and is on the disk
// when a job has ended: after a power cut, of what ran then it may not be known that it had begun.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/fd.h"
#include "common/base/result.h"
#include "sandbox/job.h"

namespace shrike::sandbox {

struct Quota {
  uint32_t jobs = 16;  ///< at once
  uint64_t cpu_ns_per_hour = 3600ull * 1'000'000'000;
  uint64_t bytes_per_hour = 64ull << 30;
};

/// What a job may use, or has used.
struct Usage {
  uint64_t cpu_ns = 0;
  uint64_t bytes = 0;  ///< put in, put out, and written to files
  bool operator==(const Usage&) const = default;
};

class Ledger {
 public:
  enum class Answer : uint8_t { begin, repeated, refused };
  struct Verdict {
    Answer answer = Answer::refused;
    std::string text;  ///< repeated: the report that is kept (empty: it runs just now); refused: why
  };

  /// Opens or makes the file. A last line that a crash has torn is cut off; what follows damage elsewhere is left out,
  /// and `note()` says so. Jobs that ran then are settled at all they might have used. Errors: errno; another process
  /// has it open.
  static Result<Ledger> open(const std::string& path, const Quota& quota, uint64_t now_ns);

  /// May this job run? When it may, what it can use at most is taken. `now_ns`: wall clock. Errors: the line cannot be
  /// written: then it may not.
  /// The line is with the kernel before the job begins, so that it outlives us; it is synced only with the next end of
  /// a job (a sync costs more than all of the set-up: 2 ms here). After a power cut a job that had not ended may be
  /// unknown, and runs again when it is asked for again. Orders of the collector's do not: the agent's own book of them
  /// is synced before each step.
  Result<Verdict> begin(const std::string& caller, const std::string& id, const Usage& most, uint64_t now_ns);
  /// It has ended. What it used beyond `most` is counted as `most`. Errors: the line cannot be written.
  Result<void> end(const std::string& caller, const std::string& id, const Usage& used, const std::string& report,
                   uint64_t now_ns);

  /// In a child of the service: closes the file without a word.
  void abandon() {
    file_.reset();
    lock_.reset();
  }
  [[nodiscard]] uint32_t running(const std::string& caller) const;
  [[nodiscard]] Usage used(const std::string& caller, uint64_t now_ns);
  /// What was wrong with the file; empty when nothing was.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  struct Entry {
    uint64_t time_ns = 0;
    Usage usage;
  };
  struct Job {
    std::string caller;
    Usage most, used;
    uint64_t begin_ns = 0, end_ns = 0;
    bool ended = false;
    std::string report;
  };
  struct Caller {
    uint32_t running = 0;
    Usage reserved;
    std::deque<Entry> hour;
    Usage in_hour;
  };
  Ledger() = default;
  Result<void> append(const std::string& text, bool sync);
  Result<void> load(const std::string& path);
  /// Writes what still matters into a new file in place of this one.
  Result<void> rewrite(const std::string& path);
  bool apply(const std::string& text);
  void take(const std::string& caller, const std::string& id, const Usage& most, uint64_t now_ns);
  void settle(const std::string& key, const Usage& used, std::string report, uint64_t now_ns);
  void forget(Caller& caller, uint64_t now_ns) const;

  std::string path_;
  Fd file_, lock_;
  Quota quota_;
  std::map<std::string, Caller> callers_;
  std::map<std::string, Job> jobs_;  // by caller and id
  std::deque<std::string> order_;    // ended jobs, the oldest first
  uint64_t kept_bytes_ = 0;
  uint64_t size_ = 0;
  std::string note_;
};

/// What a job may use at most, and what a report says that it has used.
Usage most_usage(const sandbox::Job& job, uint64_t bytes_in);

}  // namespace shrike::sandbox
