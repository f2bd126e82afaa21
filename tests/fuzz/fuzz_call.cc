// Threat model: calls come from a sandbox that ran a hostile program, which chooses every text and number in them, and
// which may have taken the sandbox over. Decoding must not crash or read beyond the bytes, must always take at least
// one byte or fail, and what was decoded must be within its bounds and the same when encoded again.
// link: shrike_sandbox

#include <cstdlib>

#include "sandbox/call.h"

using namespace shrike::sandbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data), size);
  while (!rest.empty()) {
    const size_t before = rest.size();
    const auto call = decode_call(rest);
    if (!call) break;
    if (rest.size() >= before || call->texts.size() > call_texts_max) std::abort();
    std::string bytes;
    encode_call(*call, bytes);
    std::span<const std::byte> again(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
    const auto back = decode_call(again);
    if (!back || !again.empty() || !(*back == *call)) std::abort();
  }
  return 0;
}
