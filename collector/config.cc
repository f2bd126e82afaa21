#include "collector/config.h"

#include <charconv>

#include "collector/toml.h"
#include "common/base/file.h"

namespace shrike::collector {
namespace {

struct Checked {
  const char* table;
  const char* key;
  std::string wrong;  // empty: right
};

std::string wrong_listen(const Config& config) {
  const std::string& listen = config.api.listen;
  const size_t colon = listen.rfind(':');
  unsigned port = 65536;
  if (colon != std::string::npos) {
    const char* end = listen.data() + listen.size();
    const auto [stop, code] = std::from_chars(listen.data() + colon + 1, end, port);
    if (code != std::errc() || stop != end) port = 65536;
  }
  if (port > 65535) return "must be an address and a port, like \"127.0.0.1:9477\"";
  // The token goes over this socket in clear: other hosts come through a tunnel or a proxy with TLS.
  if (!listen.starts_with("127.") && !listen.starts_with("[::1]:") && !listen.starts_with("localhost:"))
    return "must be a loopback address";
  return "";
}

std::string wrong_url(const Config& config) {
  const std::string& url = config.nats.url;
  for (const char* scheme : {"nats://", "tls://"})
    if (url.starts_with(scheme) && url.size() > std::string_view(scheme).size()) return "";
  return "must begin with nats:// or tls://";
}

std::string wrong_name(const Config& config) {
  if (config.name.empty() || config.name.size() > 63) return "must have 1 to 63 characters";
  for (const char c : config.name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.')
      return "may have letters, digits, '-', '_' and '.' only";
  return "";
}

std::string wrong_level(const Config& config) {
  for (const char* level : {"debug", "info", "warning", "error"})
    if (config.log.level == level) return "";
  return "must be debug, info, warning or error";
}

std::vector<Checked> checks(const Config& config) {
  const uint64_t segment = config.store.segment_bytes;
  return {
      {"", "state_dir", config.state_dir.starts_with("/") ? "" : "must be an absolute path"},
      {"", "name", wrong_name(config)},
      {"nats", "url", wrong_url(config)},
      {"api", "listen", wrong_listen(config)},
      {"store", "segment_bytes",
       segment >= (1u << 20) && segment <= (1ull << 30) ? "" : "must be from 1048576 (1 MiB) to 1073741824 (1 GiB)"},
      {"store", "min_free_bytes",
       config.store.min_free_bytes >= (1u << 20) && config.store.min_free_bytes <= (1ull << 50)
           ? ""
           : "must be at least 1048576 (1 MiB)"},
      {"log", "level", wrong_level(config)},
  };
}

}  // namespace

std::string Config::token_path() const { return api.token_file.empty() ? state_dir + "/token" : api.token_file; }

std::string Config::api_host() const {
  std::string host = api.listen.substr(0, api.listen.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

int Config::api_port() const {
  int port = 0;
  const char* text = api.listen.data() + api.listen.rfind(':') + 1;
  std::from_chars(text, api.listen.data() + api.listen.size(), port);
  return port;
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
  const TomlTable root = TRY(TomlTable::parse(text, name));
  Config config;
  TRY_VOID(root.text("state_dir", config.state_dir));
  TRY_VOID(root.text("name", config.name));
  const TomlTable nats = TRY(root.table("nats"));
  TRY_VOID(nats.text("url", config.nats.url));
  TRY_VOID(nats.text("nkey_seed_file", config.nats.nkey_seed_file));
  TRY_VOID(nats.text("ca_file", config.nats.ca_file));
  TRY_VOID(nats.number("stream_max_bytes", config.nats.stream_max_bytes));
  const TomlTable nodes = TRY(root.table("nodes"));
  TRY_VOID(nodes.flag("trust_first", config.nodes.trust_first));
  TRY_VOID(nodes.text("keys_file", config.nodes.keys_file));
  const TomlTable api = TRY(root.table("api"));
  TRY_VOID(api.text("listen", config.api.listen));
  TRY_VOID(api.text("token_file", config.api.token_file));
  const TomlTable store = TRY(root.table("store"));
  TRY_VOID(store.number("segment_bytes", config.store.segment_bytes));
  TRY_VOID(store.number("min_free_bytes", config.store.min_free_bytes));
  const TomlTable log = TRY(root.table("log"));
  TRY_VOID(log.text("level", config.log.level));
  for (const TomlTable* table : {&nats, &nodes, &api, &store, &log, &root}) TRY_VOID(table->all_known());
  for (const Checked& check : checks(config)) {
    if (check.wrong.empty()) continue;
    const TomlTable table = *check.table == '\0' ? root : TRY(root.table(check.table));
    return table.error_at(check.key, check.wrong);
  }
  return config;
}

Result<Config> load_config(const std::string& path) { return parse_config(TRY(read_file(path, 1u << 20)), path); }

Result<void> check_config(const Config& config) {
  for (const Checked& check : checks(config))
    if (!check.wrong.empty())
      return Error{std::string(check.table) + (*check.table == '\0' ? "" : ".") + check.key + ": " + check.wrong};
  return {};
}

}  // namespace shrike::collector
