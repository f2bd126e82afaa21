#pragma once
// From the spool to NATS, and the collector's acknowledgements back.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/ship/flight.h"
#include "agent/ship/spool.h"
#include "common/wire/keys.h"

namespace shrike::ship {

struct PublisherOptions {
  std::string url = "nats://127.0.0.1:4222";  ///< tls:// for TLS; several with commas between
  std::string ca_file;                        ///< PEM; empty: the system's authorities
  std::optional<PrivateKey> nkey;             ///< who we are to NATS; none: no authentication
  PublicKey collector;                        ///< acknowledgements by any other key are ignored
  FlightLimits limits;
  /// Called in the publisher's thread with what came on the node's command subject, unlooked at; empty: nothing is
  /// subscribed to. Must not wait.
  std::function<void(std::string)> on_command = {};
};

struct PublisherStatus {
  bool connected = false;
  uint64_t sent_batches = 0;
  uint64_t sent_bytes = 0;
  uint64_t acks = 0;              ///< verified
  uint64_t refused_acks = 0;      ///< signature or content wrong
  uint64_t resends = 0;           ///< times a lane began again from its first unacknowledged batch
  uint64_t reconnects = 0;        ///< connections made, the first included
  std::string last_error;         ///< of any kind; empty when there was none
  uint64_t errors = 0;            ///< how often there was one
  uint64_t commands = 0;          ///< messages on the command subject
  uint64_t commands_dropped = 0;  ///< of them, too many at once
};

/// A thread of its own, from `start` to destruction. Connects for ever: NATS away for any time costs spool only.
class Publisher {
 public:
  /// `spool` must outlive it. Errors: options the library refuses (url, ca_file) by name.
  static Result<std::unique_ptr<Publisher>> start(Spool& spool, PublisherOptions options);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  [[nodiscard]] PublisherStatus status() const;
  /// Waits until all that was appended before is acknowledged. False when it is not by `deadline`.
  bool wait_acknowledged(std::chrono::steady_clock::time_point deadline);

 private:
  class Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::ship
