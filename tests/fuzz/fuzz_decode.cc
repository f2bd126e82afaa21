// link: shrike_probe
// Threat model: whoever can write into a ring, a capture file or the agent's memory before decode chooses every byte
// of a record. Decoding must neither read nor write outside, and every view must lie in the record or in the
// decoder's own room. Joined paths must be absolute and normal.

#include <cstdlib>
#include <string_view>

#include "agent/probe/decode.h"
#include "agent/probe/record.h"

namespace {
// Reads every byte, so that the sanitizers see a view that leads outside.
unsigned touch(std::string_view text) {
  unsigned sum = 0;
  for (const char c : text) sum += static_cast<unsigned char>(c);
  return sum;
}
void check(bool condition) {
  if (!condition) std::abort();
}
void check_full(std::string_view path) {
  if (path.empty()) return;
  check(path.front() == '/');
  check(path.size() == 1 || path.back() != '/');
  check(path.find("//") == std::string_view::npos && path.find("/./") == std::string_view::npos &&
        path.find("/../") == std::string_view::npos);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static shrike::probe::Decoder decoder(1'700'000'000'000'000'000);
  shrike::Event event;
  if (!decoder.decode(std::as_bytes(std::span(data, size)), event).ok()) return 0;
  check(shrike::kind_name(event.kind) != "none");
  check_full(event.full_path);
  check_full(event.full_path2);
  volatile unsigned sink = 0;
  for (const std::string_view text : {event.path.text, event.path2.text, event.full_path, event.full_path2,
                                      event.real_path, event.cwd, event.path_at_exit, event.socket_path})
    sink = sink + touch(text);
  return 0;
}
