#include "collector/ctl/settings.h"

#include <unistd.h>

#include <charconv>

#include "collector/toml.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

constexpr const char* default_config = "/etc/shrike/shrike.toml";
constexpr const char* default_token_file = "/var/lib/shrike-collector/token";

Result<ApiOptions> parse_config(const std::string& path, const std::string& text) {
  ApiOptions out;
  const auto table = TRY(collector::TomlTable::parse(text, path));
  TRY_VOID(table.text("api", out.address));
  TRY_VOID(table.text("token_file", out.token_file));
  TRY_VOID(table.all_known());
  return out;
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

}  // namespace

std::string Endpoint::address() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return shown + ":" + std::to_string(port);
}

Result<Endpoint> parse_address(const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  Endpoint out;
  const size_t colon = rest.rfind(':');
  const Error wrong{"'" + text + "' is no address: write ADDRESS:PORT, for example 127.0.0.1:9477"};
  if (colon == std::string_view::npos || colon == 0) return wrong;
  const std::string_view port = rest.substr(colon + 1);
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (failed != std::errc() || end != port.data() + port.size() || out.port < 1 || out.port > 65535) return wrong;
  out.host = rest.substr(0, colon);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  if (!is_loopback(out.host)) {
    return Error{"'" + text + "' is not on this host: the operator API is plain HTTP on loopback; for another host " +
                 "use a tunnel, for example ssh -L 9477:127.0.0.1:9477 " + out.host};
  }
  return out;
}

Result<std::string> read_token(const std::string& path) {
  auto text = read_file(path, 4096);
  if (!text.ok()) {
    const int code = text.error().code;
    const char* advice = "";
    if (code == EACCES) advice = ": run as root or as a member of the file's group, or name another: --token-file";
    if (code == ENOENT) {
      advice = ": shrike-collector makes it when it first starts; another place: --token-file or SHRIKE_TOKEN_FILE";
    }
    return Error{"cannot read the API's token: " + text.error().message + advice, code};
  }
  std::string token = std::move(text).value();
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  for (const char c : token) {
    if (c <= ' ' || c > '~') return Error{"token file " + path + " holds something that is no token"};
  }
  return token;
}

Result<Endpoint> find_endpoint(const ApiOptions& options) {
  ApiOptions wish = options;
  const std::string config = options.config.empty() ? default_config : options.config;
  if (!options.config.empty() || access(config.c_str(), F_OK) == 0) {
    const std::string text = TRY(read_file(config, 1u << 20));
    const ApiOptions file = TRY(parse_config(config, text));
    if (wish.address.empty()) wish.address = file.address;
    if (wish.token_file.empty()) wish.token_file = file.token_file;
  }
  Endpoint out = TRY(parse_address(wish.address.empty() ? "127.0.0.1:9477" : wish.address));
  out.token_file = wish.token_file.empty() ? default_token_file : wish.token_file;
  out.token = TRY(read_token(out.token_file));
  return out;
}

}  // namespace shrike::ctl
