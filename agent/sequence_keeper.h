#pragma once
// Sequence scoring as the daemon sees it: what it begins with, what is saved and shipped now and then, how it is doing.

#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/pipeline.h"
#include "agent/probe/kernel_source.h"
#include "agent/sequence/profile_book.h"
#include "agent/sequence/sequence_alerts.h"
#include "common/wire/keys.h"

namespace shrike::agent {

/// Where profiles that the collector sent are kept.
std::string fleet_file(const Config& config);

/// Used by the loop thread only, but for renewal() and fleet_changed().
class SequenceKeeper {
 public:
  /// What /status and the metrics say.
  struct Status {
    std::string mode;  ///< off, learn, detect
    bool running = false;
    size_t programs = 0;
    size_t settled = 0;
    size_t full = 0;  ///< programs that do more than their profile holds
    size_t ngrams = 0;
    uint64_t saves = 0;
    uint64_t save_errors = 0;
    uint64_t shipped = 0;  ///< profiles
    size_t imported = 0;   ///< programs of which the fleet's profiles were taken in
    probe::SequenceCounters kernel;
  };

  SequenceKeeper(const Config& config, PrivateKey key);
  ~SequenceKeeper();

  /// Reads what was saved and says with what the kernel half begins. `warnings` receives what somebody should know: a
  /// file that was refused (learning starts afresh), a cgroup that is not there.
  probe::SequenceOptions begin(uint64_t now_ns, std::vector<std::string>& warnings);
  /// What the pipeline is to do with events of kind `sequence`.
  [[nodiscard]] sequence::SequenceAlerts alerts(uint64_t now_ns);
  /// What the kernel half begins anew with, from what it knows now; at least a quarter of the room is free then. Any
  /// thread.
  probe::SequenceOptions renewal(const Config& config, std::vector<SequenceProfile> known, uint64_t now_ns,
                                 std::vector<std::string>& warnings);
  /// Whether a file that [sequence] import names is another one than was taken in. Any thread.
  bool fleet_changed(const Config& config);
  /// It has.
  void renewed(const Config& config, uint64_t now_ns);

  /// Once a second. Saves each minute what has changed, ships what has settled, as events of kind `sequence`. Returns
  /// what somebody should know.
  std::vector<std::string> tick(const probe::KernelSource& source, Sink& sink, uint64_t now_ns);
  /// There is no room for programs or n-grams. True at most once an hour.
  bool wants_renewal(uint64_t now_ns);
  /// Saves for the last time.
  Result<void> end(const probe::KernelSource& source, uint64_t now_ns);

  [[nodiscard]] const Status& status() const { return status_; }

 private:
  void import(const Config& config, probe::SequenceOptions& options, uint64_t now_ns,
              std::vector<std::string>& warnings);
  void count(const std::vector<SequenceProfile>& profiles);
  void ship(const std::vector<SequenceProfile>& profiles, Sink& sink, uint64_t now_ns);

  Config config_;
  std::mutex book_lock_;
  sequence::ProfileBook book_;
  Status status_;
  bool began_empty_ = true;
  uint64_t began_ns_ = 0;
  uint64_t next_look_ns_ = 0;
  uint64_t saved_ns_ = 0;
  uint64_t saved_learned_ = 0;
  uint64_t renewed_ns_ = 0;
  std::string fleet_digest_;  // of the files taken in; book_lock_
  size_t imported_ = 0;       // book_lock_
  std::future<Result<void>> writing_;
};

}  // namespace shrike::agent
