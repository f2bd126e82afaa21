#pragma once
// The live judgement of one lane's messages: bytes in, a verdict and what is to be stored out. One thread each.

#include <atomic>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/index.h"
#include "collector/registry.h"
#include "common/wire/chain.h"
#include "common/wire/command_news.h"
#include "common/wire/subjects.h"

namespace shrike::collector {

struct Checked {
  Verdict verdict = Verdict::malformed;
  std::string reason;                      ///< one sentence when not plainly accepted
  bool authentic = false;                  ///< the signature was this node's
  bool first_key = false;                  ///< the node's key has just been trusted
  bool unlinked = false;                   ///< accepted, without a link to the boot before
  BatchHeader header;                      ///< node and lane are right even of what is malformed
  BatchRow row;                            ///< accepted: all but serial, place and size
  std::vector<Alert> alerts;               ///< accepted, lane alerts
  std::vector<ProfileRow> profiles;        ///< accepted, lane telemetry
  uint64_t alerts_unread = 0;              ///< events of the alerts lane in which no alert could be read
  std::vector<DetonationRow> detonations;  ///< accepted, lane telemetry
  std::vector<CommandNews> commands;       ///< the same
};

class Verifier {
 public:
  /// `committed`: the last serial that the index has; `nodes`: where its chains stand.
  Verifier(Lane lane, Registry& registry, IndexReader history, const std::atomic<uint64_t>& committed,
           const std::vector<NodeState>& nodes);

  /// Judges one message and moves the chain's head when it is accepted. About 70 us and 0.4 us an event.
  /// Errors: the index or the registry's file could not be read or written; nothing was decided, try again.
  Result<Checked> check(const BatchSubject& subject, std::string_view bytes, uint64_t received_ns);
  /// Says under which serial the batch just accepted goes to the index; until then it is remembered here.
  void taken(const Checked& checked, uint64_t serial);

 private:
  struct Recent {
    uint64_t serial;
    std::string node;
    BootId boot;
    uint64_t first_seq;  // 0: no drop statement
    uint64_t seq;
    Digest hash;
  };
  class History;
  // A node nobody has heard of, whose first message is not the first of its chain.
  struct Start {
    uint64_t since_ns;
    uint64_t lowest;  // seq heard so far
  };
  bool too_early(const BatchHeader& header, uint64_t received_ns);

  Lane lane_;
  Registry& registry_;
  IndexReader index_;
  const std::atomic<uint64_t>& committed_;
  std::unordered_map<std::string, ChainHead> heads_;
  std::unordered_map<std::string, Start> starts_;
  std::deque<Recent> recent_;  // accepted, and not in the index yet
};

/// What an accepted batch leaves in the index. `before`: the head it was judged against.
BatchRow row_of(const OpenBatch& batch, const ChainHead& before, const ChainHead& after, uint64_t received_ns);
/// The alerts of an alerts-lane payload, with node, evidence and latency filled in; `unread` counts events without one.
std::vector<Alert> alerts_of(const BatchHeader& header, const OpenPayload& payload, uint64_t received_ns,
                             uint64_t& unread);

/// What a telemetry payload says of detonations and commands. What cannot be read is left out: as an event it is
/// stored.
void notes_of(const BatchHeader& header, const OpenPayload& payload, std::vector<DetonationRow>& detonations,
              std::vector<CommandNews>& commands);

}  // namespace shrike::collector
