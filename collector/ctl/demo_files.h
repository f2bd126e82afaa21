#pragma once
// What the demo writes into its state directory. Text only: nothing here touches the world.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/wire/batch.h"

namespace shrike::ctl {

/// A name for this host that is a node id: lower case, everything else '-', at most 63 characters.
std::string node_id_of(std::string_view host_name);

/// `text` as a string of TOML, and of nats-server's configuration.
std::string in_quotes(std::string_view text);

struct NatsUser {
  std::string nkey;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
};
/// An agent may publish its two lanes and read what is sent to it alone.
NatsUser agent_user(std::string_view node, std::string nkey);
/// A collector keeps the two streams, reads them, and publishes acknowledgements and commands.
NatsUser collector_user(std::string nkey);

/// A server on a free port of loopback that writes the port into `dir` (nats-server's ports file), keeps its streams
/// there, and lets in these users only.
std::string nats_conf(const std::string& dir, const std::vector<NatsUser>& users);
/// The client URL in nats-server's ports file; empty when there is none yet.
std::string nats_url_of(std::string_view ports_file);

struct DemoSetup {
  std::string dir;
  std::string node;
  std::string nats_url;
  std::vector<std::string> rules;  ///< empty: the agent's default
  std::string metrics;
  bool sandbox = false;  ///< a sandbox service runs here
};
std::string collector_toml(const DemoSetup& setup);
std::string agent_toml(const DemoSetup& setup);

}  // namespace shrike::ctl
