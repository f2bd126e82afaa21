#pragma once
// The bus: streams, consumers, deliveries and acknowledgements. subscriber.cc is the one file that includes
// <nats/nats.h>.

#include <functional>
#include <memory>
#include <string>

#include "collector/committer.h"
#include "collector/metrics.h"

namespace shrike::collector {

class Subscriber {
 public:
  struct Options {
    std::string url;
    std::string nkey_seed_file;     ///< empty: no nkey authentication
    std::string ca_file;            ///< empty: no TLS, or the system's authorities with a tls:// url
    uint64_t stream_max_bytes = 0;  ///< of the telemetry stream, a quarter of it for alerts; 0: the server's limit
  };
  /// Called for each message, on its lane's own thread.
  using Deliver = std::function<void(Lane, std::string_view subject, std::string_view bytes, std::unique_ptr<Receipt>)>;
  /// A change of state, for the log; `trouble`: someone may have to act.
  using Note = std::function<void(bool trouble, const std::string&)>;

  /// Errors: the nkey seed cannot be read.
  static Result<std::unique_ptr<Subscriber>> make(const Options& options, Deliver deliver, Note note, Metrics& metrics);
  virtual ~Subscriber() = default;

  /// Starts two threads, which connect, make streams and consumers where they are missing, and go on doing so for ever.
  virtual void start() = 0;

  /// Publishes an agent's acknowledgement; dropped silently while there is no connection, as it is repeated.
  virtual void send_ack(const std::string& node, std::string_view bytes) = 0;
  /// Publishes on an agent's command subject. False: there is no connection, or it has no room.
  virtual bool send_command(const std::string& node, std::string_view bytes) = 0;
  /// Takes no more messages. Receipts still work until this object goes.
  virtual void stop() = 0;
  [[nodiscard]] virtual bool connected() const = 0;
};

}  // namespace shrike::collector
