// Threat model: records of the sandboxes' trace come from our own programs in the kernel, but every text and number in
// them is a hostile program's, and the ring is memory that another process of ours may have left in any state. Decoding
// must not crash or read beyond a record, and putting into order must give each number once, in order, and count what
// is missing.
// link: shrike_sandbox_process

#include <cstdlib>

#include "sandbox/process/trace_record.h"

using namespace shrike::sandbox;
using namespace shrike::sandbox::process;

namespace {
struct Ordered final : CallSink {
  void call(const Call& call) override {
    if (any && call.seq <= last) std::abort();
    any = true;
    last = call.seq;
    ++count;
  }
  bool any = false;
  uint64_t last = 0, count = 0;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  if (const auto call = decode_record(bytes)) {
    if (call->texts.size() > call_texts_max) std::abort();
    for (const auto& text : call->texts)
      if (text.text.size() > call_text_max) std::abort();
  }
  Ordered out;
  TraceOrder order(8);
  for (const std::byte byte : bytes) {
    Call call;
    call.seq = static_cast<uint64_t>(byte);
    order.add(std::move(call), out);
  }
  if (order.finish(256, out) != 256 - out.count) std::abort();
  return 0;
}
