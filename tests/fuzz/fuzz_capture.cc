// link: shrike_probe
// Threat model: a capture file comes from anywhere. Whatever it holds, reading ends with a clear error or the end of
// the file, never with a read outside, a loop without end, or memory beyond one buffer.

#include <cstdlib>

#include "agent/probe/capture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto reader = shrike::probe::CaptureReader::over(std::as_bytes(std::span(data, size)), "input");
  if (!reader.ok()) return 0;
  uint64_t last = 0;
  for (;;) {
    auto next = reader->next();
    if (!next.ok() || !next->has_value()) break;
    if (reader->offset() <= last || reader->offset() > size) std::abort();
    last = reader->offset();
    volatile unsigned sink = 0;
    for (const std::byte byte : **next) sink = sink + static_cast<unsigned>(byte);
  }
  return 0;
}
