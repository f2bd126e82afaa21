#include "agent/detonate/behaviour_network.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "agent/detonate/finding.h"

namespace shrike::detonate {
namespace {

constexpr size_t many_addresses = 16;
constexpr size_t many_names = 16;
constexpr size_t long_label = 24;         // characters: words of people are shorter
constexpr uint64_t much_sent_bytes = 64;  // beyond greetings
constexpr size_t files_behind_tls = 5;    // what was said there is not known

bool is_loopback(const Socket& socket) {
  static constexpr std::array<uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  static constexpr std::array<uint8_t, 16> any = {};
  return socket.family == AF_INET ? socket.remote[0] == 127 || socket.remote == any
                                  : socket.remote == loopback6 || socket.remote == any;
}

std::string address_text(const Socket& socket) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(socket.family, socket.remote.data(), text, sizeof text);
  const std::string port = std::to_string(socket.remote_port);
  return socket.family == AF_INET6 ? "[" + std::string(text) + "]:" + port : std::string(text) + ":" + port;
}

bool is_runtime(std::string_view path) {
  static constexpr std::string_view names[] = {"/docker.sock", "/containerd.sock", "/crio.sock", "/podman.sock"};
  return std::any_of(std::begin(names), std::end(names), [&](std::string_view name) { return path.ends_with(name); });
}

/// Stratum and its kin: JSON, a line at a time.
bool is_mining(std::string_view said) {
  static constexpr std::string_view words[] = {"\"mining.subscribe\"", "\"mining.authorize\"",
                                               "\"eth_submitLogin\"",  "XMRig/",
                                               "\"method\":\"login\"", "\"method\": \"login\""};
  return said.starts_with('{') && std::any_of(std::begin(words), std::end(words), [&](std::string_view word) {
           return said.find(word) != std::string_view::npos;
         });
}

bool is_chat(std::string_view said) {
  const auto says = [&](std::string_view word) { return said.find(word) != std::string_view::npos; };
  return (said.starts_with("NICK ") || said.starts_with("PASS ") || said.starts_with("USER ") ||
          said.starts_with("CAP LS")) &&
         says("NICK ") && says("USER ");
}

bool has_long_label(std::string_view name) {
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.size() >= long_label) return true;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return false;
}

bool tells_secrets(std::string_view said) {
  static constexpr std::string_view words[] = {"root:x:0:0:", "root:$", "PRIVATE KEY-----", "aws_secret_access_key",
                                               "uid=0(root)"};
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return said.find(word) != std::string_view::npos; });
}

bool is_tls(std::string_view said) { return said.size() > 1 && said[0] == 0x16 && said[1] == 0x03; }

/// Whether something of one's own was said, and not only asked for.
bool carries_data(const sandbox::Connection& one, size_t files_read) {
  const std::string_view said = one.first_bytes;
  if (one.protocol == "dns" || one.protocol == "unix" || one.sent_bytes < much_sent_bytes) return false;
  if (is_tls(said)) return files_read >= files_behind_tls;
  const bool asks = said.starts_with("GET ") || said.starts_with("HEAD ") || said.starts_with("SSH-");
  const bool gives = said.find("\nPOST /") != std::string_view::npos || said.find("\nPUT /") != std::string_view::npos;
  return files_read > 0 && (!asks || gives);
}

}  // namespace

void NetworkBehaviour::evaluate(const Event& event, std::vector<Alert>& alerts) {
  if (event.kind == EventKind::connect && is_runtime(event.socket_path))
    tell(alerts, for_runtime, event,
         std::string(program_of(event)) + " wanted to speak to " + std::string(event.socket_path));
  if (event.kind == EventKind::connect || event.kind == EventKind::sendto) on_destination(event, alerts);
}

void NetworkBehaviour::on_destination(const Event& event, std::vector<Alert>& alerts) {
  const Socket& socket = event.socket;
  if ((socket.family != AF_INET && socket.family != AF_INET6) || socket.remote_port == 0 || is_loopback(socket)) return;
  const std::string address = address_text(socket), program(program_of(event));
  if (destinations_.size() < known_most) destinations_.insert(address);
  tell(alerts, network_wish, event, program + " tried to reach " + address, {{"address", address}});
  if (destinations_.size() < many_addresses) return;
  const std::string count = std::to_string(destinations_.size());
  tell(alerts, network_scan, event, program + " tried to reach " + count + " addresses, the last " + address,
       {{"addresses", count}});
}

void NetworkBehaviour::at_end(const sandbox::Report& report, size_t user_files_read, const Event& about,
                              std::vector<Alert>& alerts) const {
  const sandbox::Connection* carried = nullptr;
  size_t strange_names = 0;
  std::string last_name;
  for (const auto& one : report.connections) {
    if (is_mining(one.first_bytes))
      tell(alerts, mining, about, "it asked " + one.address + " for work, as miners do", {{"address", one.address}});
    if (is_chat(one.first_bytes))
      tell(alerts, chat, about, "it logged in to a chat server (IRC) at " + one.address, {{"address", one.address}});
    if (tells_secrets(one.first_bytes))
      tell(alerts, secrets_sent, about, "it sent accounts, keys or who it is to " + one.address,
           {{"address", one.address}});
    if (carried == nullptr && carries_data(one, user_files_read)) carried = &one;
    if (one.protocol == "dns" && has_long_label(one.name)) ++strange_names, last_name = one.name;
  }
  const std::string names = std::to_string(strange_names), files = std::to_string(user_files_read);
  if (strange_names >= many_names)
    tell(alerts, name_tunnel, about, "it asked for " + names + " names that look like data, the last " + last_name,
         {{"names", names}});
  if (carried != nullptr)
    tell(alerts, carried_away, about,
         "it read " + files + (user_files_read == 1 ? " file" : " files") + " in people's homes, and sent " +
             std::to_string(carried->sent_bytes) + " bytes to " + carried->address,
         {{"address", carried->address}, {"files", files}});
}

}  // namespace shrike::detonate
