// Threat model: everything that a sandboxed program sends to the sink is hostile, and the sink answers it in the
// sandbox's own init; names are read of it outside. No bytes may crash either, no answer may be longer than what a
// datagram holds, and no name may hold what a terminal obeys.
// link: shrike_sandbox

#include <cstdlib>

#include "sandbox/sink_answer.h"
#include "sandbox/sink_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (shrike::sandbox::sink_answer(bytes).size() > 512) std::abort();
  for (const std::string& name : {shrike::sandbox::dns_name(bytes), shrike::sandbox::server_name(bytes)}) {
    if (name.size() > 300) std::abort();
    for (const unsigned char c : name)
      if (c <= ' ' || c >= 0x7f) std::abort();
  }
  const auto answer = shrike::sandbox::dns_answer(bytes);
  if (answer && (answer->size() > 600 || answer->substr(0, 2) != bytes.substr(0, 2))) std::abort();
  return 0;
}
