#pragma once
// The parts put together, from an opened state directory to a clean stop.

#include <functional>
#include <memory>
#include <string>

#include "collector/config.h"
#include "common/base/result.h"

namespace shrike::collector {

class Collector {
 public:
  /// Opens the state and starts everything. Logs through spdlog. Errors: what cannot be mended by waiting; a NATS that
  /// is away is none.
  static Result<std::unique_ptr<Collector>> start(const Config& config);
  virtual ~Collector() = default;

  /// Where the API listens: "127.0.0.1:9477".
  [[nodiscard]] virtual std::string api_address() const = 0;
  /// One line for `systemctl status`.
  [[nodiscard]] virtual std::string status() const = 0;
  /// Once a second: gaps, repeated acknowledgements. False: a part has failed for good, stop and exit with an error.
  virtual bool tick() = 0;
  /// Reads keys_file again.
  virtual void reload() = 0;
  /// Takes no more, writes what was taken, ends all threads.
  virtual void stop() = 0;
};

}  // namespace shrike::collector
