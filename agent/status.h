#pragma once
// What the agent says about itself: taken by the loop once a second, read by the threads that serve it.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/http_output.h"
#include "agent/pipeline.h"
#include "agent/probe/kernel_source.h"
#include "agent/sequence_keeper.h"

namespace shrike::agent {

/// One moment of the agent.
struct Status {
  std::string version;
  std::string node;
  std::string public_key;
  uint64_t start_time_ns = 0;  ///< wall clock
  uint64_t time_ns = 0;
  probe::Features features;
  std::vector<std::string> kinds;  ///< what leaves the kernel
  size_t filter_prefixes = 0;
  size_t filter_names = 0;
  size_t rules = 0;
  std::string rules_digest;
  uint64_t reloads = 0;
  uint64_t reloads_failed = 0;
  Pipeline::Counts counts;
  probe::Counters kernel;
  std::map<std::pair<std::string, std::string>, uint64_t>
      losses;  ///< (cause, class) -> events, as the header signs them
  struct Table {
    size_t processes = 0;
    size_t live = 0;
    uint64_t evicted_live = 0;
    size_t text_bytes = 0;
    size_t bound_bytes = 0;
  } table;
  struct Lane {
    uint64_t sealed_seq = 0;
    uint64_t acked_seq = 0;
    uint64_t pending_batches = 0;
    uint64_t spool_bytes = 0;
  };
  std::map<std::string, Lane> lanes;
  struct Sealed {
    uint64_t batches = 0;
    uint64_t events = 0;
    uint64_t alerts = 0;
    uint64_t payload_bytes = 0;
    uint64_t bytes = 0;
  } sealed;
  struct Publisher {
    bool connected = false;
    bool collector_key = false;  ///< known: acknowledgements can be checked
    uint64_t sent_batches = 0;
    uint64_t acks = 0;
    uint64_t refused_acks = 0;
    uint64_t resends = 0;
    uint64_t reconnects = 0;
    uint64_t errors = 0;
    std::string last_error;
  } publisher;
  HttpOutput::Counts http;
  SequenceKeeper::Status sequence;
  respond::Responder::Counts response;
  struct Sandbox {
    bool enabled = false;
    bool from_collector = false;
    uint64_t jobs = 0, failed = 0, running = 0;
    uint64_t events_dropped = 0;
    uint64_t commands = 0, commands_refused = 0;
  } sandbox;
  uint64_t rss_bytes = 0;
};

/// One JSON object: the answer of /status.
std::string status_to_json(const Status& status);
/// Prometheus text: the answer of /metrics.
std::string status_to_metrics(const Status& status);
/// Resident memory of this process. 0 when /proc/self/statm cannot be read.
uint64_t resident_bytes();

/// The last status, handed from the loop to the threads that serve it.
class StatusBoard {
 public:
  void post(Status status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  [[nodiscard]] Status read() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  Status status_;
};

}  // namespace shrike::agent
