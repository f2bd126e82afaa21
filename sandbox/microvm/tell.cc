#include "sandbox/microvm/tell.h"

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr size_t calls_gathered = 48u << 10, output_gathered = 16u << 10;  // bytes
constexpr uint64_t patience_ns = 20'000'000;

}  // namespace

void Tell::begin(uint64_t now_ns) {
  begun_.resize(sizeof now_ns);
  store_le(begun_.data(), now_ns);
  sent_ns_ = now_ns;
}

void Tell::call(const Call& call) {
  if (first_call_ns_ == 0 && call.kind == CallKind::call) first_call_ns_ = boot_now_ns();
  encode_call(call, calls_);
  if (calls_.size() >= calls_gathered) flush();
}

void Tell::output(int descriptor, std::string_view bytes) {
  std::string& gathered = descriptor == 2 ? err_ : out_;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, output_gathered);
    gathered += part;
    bytes.remove_prefix(part.size());
    if (gathered.size() >= output_gathered) flush();
  }
}

void Tell::look_at_time(uint64_t now_ns) {
  if (now_ns - sent_ns_ < patience_ns) return;
  sent_ns_ = now_ns;
  flush();
}

void Tell::flush() {
  send(sandbox::Frame::begun, begun_);
  send(sandbox::Frame::calls, calls_);
  send(sandbox::Frame::out, out_);
  send(sandbox::Frame::err, err_);
}

void Tell::send(sandbox::Frame type, std::string& bytes) {
  if (bytes.empty()) return;
  if (!gone_ && !channel_.send(type, bytes)) gone_ = true;
  bytes.clear();
}

}  // namespace shrike::sandbox::microvm
