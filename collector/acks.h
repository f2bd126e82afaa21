#pragma once
// What each agent is told: how far its lanes are on our disk. Thread-safe.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "collector/index.h"
#include "common/wire/batch.h"

namespace shrike::collector {

class AckBook {
 public:
  struct Ack {
    AckBody body;
    std::string bytes;  ///< signed
  };
  AckBook(PrivateKey key, std::string collector) : key_(std::move(key)), collector_(std::move(collector)) {}
  /// Takes over where the index says the chains stand.
  void restore(const std::vector<NodeState>& nodes);

  /// The chain's new head is on the disk.
  Ack advance(const std::string& node, Lane lane, const ChainHead& head, uint64_t now_ns);
  /// A batch that is signed by the node came, with this verdict. Not accepted: gives the acknowledgement that tells the
  /// agent to go on after the last good one, at most every 250 ms; nothing when the node has no chain yet.
  std::optional<Ack> heard(const std::string& node, Lane lane, Verdict verdict, uint64_t now_ns);
  /// Acknowledgements to repeat now: every two seconds, for nodes heard of in the last ten minutes.
  std::vector<Ack> due(uint64_t now_ns);

 private:
  struct Entry {
    ChainHead head;
    Verdict verdict = Verdict::accepted;
    uint64_t heard_ns = 0;
    uint64_t sent_ns = 0;
    std::optional<Ack> last;  // signed; nothing when head or verdict have changed since
  };
  const Ack& signed_ack(const std::string& node, Lane lane, Entry& entry, uint64_t now_ns);

  PrivateKey key_;
  std::string collector_;
  std::mutex mutex_;
  std::map<std::pair<std::string, Lane>, Entry> entries_;
};

}  // namespace shrike::collector
