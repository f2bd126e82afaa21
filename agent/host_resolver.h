#pragma once
// Addresses of the hosts that rules name (fd.sip.name = "kubernetes.default.svc.cluster.local"). No packet carries
// such a name, so it is asked of the name service, as often as is polite, by a thread that may wait for the answer.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scoring/rules/engine.h"

namespace shrike::agent {

/// The addresses of a name, of 4 or 16 bytes each, none when there is no such name; nothing: could not be asked now.
using LookUpHost = std::function<std::optional<std::vector<std::string>>(const std::string& name)>;
/// Asks this host's name service (getaddrinfo(3)).
std::optional<std::vector<std::string>> look_up_host(const std::string& name);

class HostResolver {
 public:
  explicit HostResolver(LookUpHost look_up = look_up_host);
  /// Does not wait for a question that is being asked.
  ~HostResolver();
  HostResolver(const HostResolver&) = delete;
  HostResolver& operator=(const HostResolver&) = delete;

  /// From now on these names are asked for, at once and then once a minute; without any, nothing is. What is not known
  /// is asked for again sooner at first. Starts the thread when there is first something to ask.
  void ask_for(std::vector<std::string> names);
  /// The names of addresses, when they have changed since the last call; otherwise null. A name that could not be asked
  /// for keeps the addresses that it had.
  std::shared_ptr<const scoring::HostNames> take();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // also the thread's, which outlives us while it waits for an answer
};

}  // namespace shrike::agent
