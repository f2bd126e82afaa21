#include "collector/ctl/demo_files.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/wire/subjects.h"

namespace shrike::ctl {
namespace {

std::string list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += (out.size() > 1 ? ", " : "") + in_quotes(item);
  return out + "]";
}

}  // namespace

std::string node_id_of(std::string_view host_name) {
  std::string out;
  for (const char c : host_name.substr(0, host_name.find('.'))) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    out.push_back(upper ? static_cast<char>(c - 'A' + 'a') : plain ? c : '-');
  }
  if (out.size() > 63) out.resize(63);
  return out.empty() ? "localhost" : out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  char escape[8];
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

NatsUser agent_user(std::string_view node, std::string nkey) {
  return {std::move(nkey),
          {batch_subject(Lane::alerts, node), batch_subject(Lane::telemetry, node)},
          {ack_subject(node), command_subject(node), "_INBOX." + std::string(node) + ".>"}};
}

NatsUser collector_user(std::string nkey) {
  // Spelt out: nats-server 2.9 lets whoever may publish all of $JS.> purge streams that are not his.
  NatsUser user{
      std::move(nkey), {"shrike.v1.ack.*", "shrike.v1.cmd.*", "shrike.v1.live.>", "$JS.API.INFO"}, {"_INBOX.>"}};
  for (const std::string stream : {"SHRIKE_ALERTS", "SHRIKE_TELEMETRY"}) {
    for (const char* verb : {"CREATE", "UPDATE", "INFO"}) {
      user.publish.push_back(std::string("$JS.API.STREAM.") + verb + "." + stream);
    }
    user.publish.push_back("$JS.API.CONSUMER.CREATE." + stream);
    for (const char* verb : {"CREATE", "DURABLE.CREATE", "INFO", "MSG.NEXT"}) {
      user.publish.push_back(std::string("$JS.API.CONSUMER.") + verb + "." + stream + ".>");
    }
    user.publish.push_back("$JS.ACK." + stream + ".>");
  }
  return user;
}

std::string nats_conf(const std::string& dir, const std::vector<NatsUser>& users) {
  std::string out =
      "# Made by `shrike demo`; written anew each time it starts.\n"
      "host: \"127.0.0.1\"\n"
      "port: -1\n"
      "ports_file_dir: " +
      in_quotes(dir) +
      "\n"
      "server_name: \"shrike-demo\"\n"
      // A batch of 1 MiB and its message id must fit.
      "max_payload: 2MB\n"
      "jetstream {\n"
      "  store_dir: " +
      in_quotes(dir) +
      "\n"
      "  max_memory_store: 64MB\n"
      "  max_file_store: 4GB\n"
      "}\n"
      "authorization {\n"
      "  users: [\n";
  for (const NatsUser& user : users) {
    out += "    { nkey: " + in_quotes(user.nkey) + ", permissions: {\n";
    out += "        publish: { allow: " + list(user.publish) + " }\n";
    out += "        subscribe: { allow: " + list(user.subscribe) + " } } }\n";
  }
  return out + "  ]\n}\n";
}

std::string nats_url_of(std::string_view ports_file) {
  const auto json = nlohmann::json::parse(ports_file, nullptr, false);
  if (!json.is_object() || !json.contains("nats") || !json["nats"].is_array() || json["nats"].empty()) return {};
  const auto& first = json["nats"][0];
  return first.is_string() ? first.get<std::string>() : std::string();
}

std::string collector_toml(const DemoSetup& setup) {
  return "# Made by `shrike demo`; written anew each time it starts.\n"
         "state_dir = " +
         in_quotes(setup.dir + "/collector") +
         "\n"
         "[nats]\n"
         "url = " +
         in_quotes(setup.nats_url) +
         "\n"
         "nkey_seed_file = " +
         in_quotes(setup.dir + "/collector/nkey.seed") +
         "\n"
         "[nodes]\n"
         "trust_first = true\n"
         "[api]\n"
         "listen = \"127.0.0.1:0\"\n"
         "[store]\n"
         "min_free_bytes = 67108864\n";
}

std::string agent_toml(const DemoSetup& setup) {
  std::string out =
      "# Made by `shrike demo`; written anew each time it starts.\n"
      "node = " +
      in_quotes(setup.node) +
      "\n"
      "state_dir = " +
      in_quotes(setup.dir + "/agent") +
      "\n"
      "[nats]\n"
      "url = " +
      in_quotes(setup.nats_url) +
      "\n"
      "nkey_seed_file = " +
      in_quotes(setup.dir + "/agent/nkey.seed") +
      "\n"
      "[collector]\n"
      "public_key_file = " +
      in_quotes(setup.dir + "/collector/key.pub") + "\n";
  if (!setup.rules.empty()) out += "[rules]\nfiles = " + list(setup.rules) + "\n";
  if (!setup.metrics.empty()) out += "[metrics]\nlisten = " + in_quotes(setup.metrics) + "\n";
  // Whoever runs the demo owns both ends: the collector may order what it likes.
  out += setup.sandbox ? "[sandbox]\nsocket = " + in_quotes(setup.dir + "/agent.sock") +
                             "\nservice = " + in_quotes(setup.dir + "/sandbox.sock") + "\nfrom_collector = true\n"
                       : "[sandbox]\nenabled = false\n";
  return out;
}

}  // namespace shrike::ctl
