// link: shrike_collector
// Threat model: who writes collector.toml or a keys file is trusted, but edits by hand and tools that write half a file
// are not. Any bytes give a configuration that passes its own check, or an error that names the place; never a crash.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/config.h"
#include "collector/keys_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = parse_config(text, "c");
  if (config.ok() ? !check_config(*config).ok() : !config.error().message.starts_with("c:")) std::abort();
  const auto keys = parse_keys(text, "k");
  if (keys.ok() ? parse_keys(keys_to_toml(*keys), "k").value() != *keys : !keys.error().message.starts_with("k:"))
    std::abort();
  return 0;
}
