#pragma once
// Between the bus and the disk: each message is judged, what it means is told, and it is queued for the committer.

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "collector/committer.h"
#include "collector/quarantine.h"
#include "collector/verifier.h"
#include "collector/watch.h"

namespace shrike::collector {

class Intake {
 public:
  struct Parts {
    Committer& committer;
    AckBook& acks;
    Watch& watch;
    Metrics& metrics;
    std::array<Verifier, 2> verifiers;  ///< alerts, telemetry
    Quarantine quarantine;
    std::function<void(const AckBook::Ack&)> send;
    std::function<void(bool trouble, const std::string&)> note;  ///< a change of state, for the log
    std::function<void(const std::string& node, std::vector<CommandNews>)> heard = {};  ///< an authentic batch came
  };
  explicit Intake(Parts parts) : parts_(std::move(parts)) {}

  /// Takes one message that came on the lane's stream; one thread for each lane. `receipt` keeps `bytes` alive. Blocks
  /// while the disk does not keep up.
  void take(Lane lane, std::string_view subject, std::string_view bytes, std::unique_ptr<Receipt> receipt);
  /// Tells an integrity alert of our own.
  void tell(Alert alert);
  /// Once a second, from one thread.
  void tick();

 private:
  void refuse(Lane lane, const Checked& checked, std::string_view bytes, uint64_t now_ns, Pending& pending);
  void accept(const Checked& checked, uint64_t now_ns, Pending& pending);
  static std::shared_ptr<AlertRow> row_of(Alert alert);

  Parts parts_;
  std::mutex limits_mutex_;
  Limiter stored_{100'000'000, 50};  // verdict rows a node: 10 a second
  Limiter told_{10'000'000'000, 3};  // alerts a node and verdict: one in 10 s
  Limiter gaps_{4'000'000, 512};     // messages ahead of their turn a node: 250 a second
  Limiter notes_{10'000'000'000, 3};
};

}  // namespace shrike::collector
