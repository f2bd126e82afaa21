#pragma once
// The operator API (ARCHITECTURE.md): HTTP on loopback. httplib stays behind api*.cc.

#include <functional>
#include <memory>
#include <string>

#include "collector/command_sender.h"
#include "collector/committer.h"
#include "collector/registry.h"
#include "common/wire/keys.h"

namespace shrike::collector {

/// What requests are answered from; all of it outlives the Api.
struct ApiParts {
  std::string state_dir;
  std::string token;
  std::string collector;  ///< its name
  std::string version;
  std::string public_key;  ///< hexadecimal
  std::string nats_url;
  PrivateKey key;  ///< signs what nodes shall take
  uint64_t started_ns = 0;
  Registry& registry;
  Feed<AlertRow>& alerts;
  Feed<VerdictRow>& verdicts;
  Metrics& metrics;
  CommandSender& commands;
  std::function<Gauges()> gauges;
  std::function<bool()> connected;
};

class Api {
 public:
  /// Listens and serves on threads of its own. `port` 0: any free one. Errors: the address cannot be bound.
  static Result<std::unique_ptr<Api>> start(const std::string& host, int port, ApiParts parts);
  virtual ~Api() = default;
  [[nodiscard]] virtual int port() const = 0;
  /// Ends all requests; followers must have been closed by their feeds.
  virtual void stop() = 0;
};

}  // namespace shrike::collector
