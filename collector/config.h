#pragma once
// /etc/shrike/collector.toml: text -> plain struct -> one check.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace shrike::collector {

struct Config {
  std::string state_dir = "/var/lib/shrike-collector";
  std::string name = "collector";  ///< this collector's id in its acknowledgements

  struct Nats {
    std::string url = "nats://127.0.0.1:4222";
    std::string nkey_seed_file;     ///< empty: no nkey authentication
    std::string ca_file;            ///< empty with a tls:// url: the system's authorities
    uint64_t stream_max_bytes = 0;  ///< of each stream; 0: the server's own limit
  } nats;

  struct Nodes {
    bool trust_first = false;  ///< pin the first key an unknown node signs with
    std::string keys_file;     ///< node = "hex key"; empty: only <state_dir>/nodes.toml
  } nodes;

  struct Api {
    std::string listen = "127.0.0.1:9477";  ///< port 0: any free one, written to <state_dir>/api
    std::string token_file;                 ///< empty: <state_dir>/token
  } api;

  struct Store {
    uint64_t segment_bytes = 64u << 20;
    uint64_t min_free_bytes = 256u << 20;  ///< with less free nothing is accepted any more
  } store;

  struct Log {
    std::string level = "info";
  } log;

  [[nodiscard]] std::string token_path() const;
  [[nodiscard]] std::string api_host() const;
  [[nodiscard]] int api_port() const;
};

/// Reads TOML text; `name` is what errors call it.
/// Errors, each with name, line and column: not TOML; an unknown key; a value of the wrong type or out of range.
Result<Config> parse_config(std::string_view text, const std::string& name);
/// The same of a file. Errors: also errno.
Result<Config> load_config(const std::string& path);
/// Checks what flags may have changed; the error names the key.
Result<void> check_config(const Config& config);

}  // namespace shrike::collector
