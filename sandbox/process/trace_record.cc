#include "sandbox/process/trace_record.h"

#include <algorithm>
#include <cstring>

#include "bpf/sandbox/shrike_sandbox.h"

namespace shrike::sandbox::process {

static_assert(SANDBOX_CALL == static_cast<int>(CallKind::call) && SANDBOX_SIGNAL == static_cast<int>(CallKind::signal));
static_assert(SANDBOX_I386 == static_cast<int>(CallAbi::i386) && SANDBOX_X32 == static_cast<int>(CallAbi::x32));
static_assert(SANDBOX_F_DENIED == call_denied && SANDBOX_F_NO_RETURN == call_no_return &&
              SANDBOX_F_MEMORY == call_memory && SANDBOX_F_CUT == call_cut && SANDBOX_F_LATE == call_late);
static_assert(SANDBOX_TEXT_MAX == call_text_max);

Result<Call> decode_record(std::span<const std::byte> bytes) {
  sandbox_record record{};
  if (bytes.size() < sizeof record) return Error{"trace: a record of " + std::to_string(bytes.size()) + " bytes"};
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.size < sizeof record || record.size > bytes.size()) return Error{"trace: a record of another size"};
  if (record.kind > SANDBOX_SIGNAL || record.abi > SANDBOX_X32 || record.texts > call_texts_max)
    return Error{"trace: an unknown kind of record"};
  Call call;
  call.kind = static_cast<CallKind>(record.kind);
  call.abi = static_cast<CallAbi>(record.abi);
  call.flags = record.flags;
  call.number = record.number;
  call.pid = record.pid;
  call.tid = record.tid;
  call.seq = record.seq;
  call.time_ns = record.time_ns;
  call.result = record.result;
  std::copy(std::begin(record.arg), std::end(record.arg), call.args.begin());
  auto rest = bytes.subspan(sizeof record, record.size - sizeof record);
  for (uint32_t i = 0; i < record.texts; ++i) {
    sandbox_text head{};
    if (rest.size() < sizeof head) return Error{"trace: a record is cut short"};
    std::memcpy(&head, rest.data(), sizeof head);
    rest = rest.subspan(sizeof head);
    if (head.kind > static_cast<uint8_t>(text_kind_last) || head.length > call_text_max || head.length > rest.size())
      return Error{"trace: a text that is none"};
    call.texts.push_back(
        {static_cast<TextKind>(head.kind), std::string(reinterpret_cast<const char*>(rest.data()), head.length)});
    rest = rest.subspan(head.length);
  }
  return call;
}

void TraceOrder::hand_out(CallSink& out) {
  for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_; first = waiting_.begin()) {
    out.call(first->second);
    ++given_;
    ++next_;
    waiting_.erase(first);
  }
}

void TraceOrder::add(Call call, CallSink& out) {
  if (call.seq == next_ && waiting_.empty()) {
    out.call(call);
    ++given_;
    ++next_;
    return;
  }
  // What is behind us already was given up.
  if (call.seq < next_) return;
  waiting_.emplace(call.seq, std::move(call));
  hand_out(out);
  if (waiting_.size() <= window_) return;
  next_ = waiting_.begin()->first;
  hand_out(out);
}

uint64_t TraceOrder::finish(uint64_t total, CallSink& out) {
  while (!waiting_.empty()) {
    next_ = waiting_.begin()->first;
    hand_out(out);
  }
  return total - std::min(total, given_);
}

}  // namespace shrike::sandbox::process
