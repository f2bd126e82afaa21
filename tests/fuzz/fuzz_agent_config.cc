// Threat model: agent.toml is written by root, but also by tools and by people in a hurry; on SIGHUP a running agent
// reads it again. Any text must give a configuration or an error with a place, never a crash, a hang or a value out of
// range.
// link: shrike_agent

#include <cstdlib>
#include <string_view>

#include "agent/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = shrike::agent::parse_config(text, "fuzz.toml");
  if (config && !shrike::agent::check_config(*config)) std::abort();
  if (!config && config.error().message.empty()) std::abort();
  return 0;
}
