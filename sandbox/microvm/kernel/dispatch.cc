// A system call is taken, served, told.

#include <algorithm>

#include "sandbox/microvm/kernel/call_table.h"
#include "sandbox/microvm/kernel/request.h"
#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr int64_t x32_bit = 0x40000000;

Call begin_call(const System& system, const Thread& thread) {
  const Registers& registers = thread.context.registers;
  Call call;
  call.number = static_cast<int32_t>(registers.rax);
  call.pid = thread.process->pid;
  call.tid = thread.tid;
  call.time_ns = system.clock.host_ns();
  call.args = {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9};
  return call;
}

int64_t serve(Request& request, const CallEntry* entry) {
  if (entry == nullptr) return request.unsupported("call " + std::to_string(request.thread.call->number), -ENOSYS);
  switch (entry->support) {
    case Support::handled:
      return entry->handler(request);
    case Support::constant:
      return entry->result;
    case Support::refused:
    case Support::missing:
      break;
  }
  for (size_t argument = 0; argument < 6; ++argument) {
    std::string text;
    if ((entry->paths >> argument & 1) != 0) (void)request.path(argument, text);
  }
  return entry->support == Support::refused ? request.refuse(entry->name, entry->result)
                                            : request.unsupported(entry->name, -ENOSYS);
}
}  // namespace

void System::call(Thread& thread) {
  ++calls_;
  ++thread.process->calls;
  current = &thread;
  thread.call = begin_call(*this, thread);
  const int64_t number = thread.call->number;
  Request request(*this, thread);
  int64_t result = 0;
  if (number >= 0 && (number & x32_bit) != 0) {
    thread.call->abi = CallAbi::x32;
    thread.call->number = static_cast<int32_t>(number & ~x32_bit);
    const CallEntry* entry = find_call(number & ~x32_bit);
    result = request.refuse(std::string("x32: ") + (entry != nullptr ? entry->name : "unknown"), -ENOSYS);
  } else {
    result = serve(request, find_call(number));
  }
  if (!thread.call || result == waiting) return;
  if (result == no_return) {
    thread.call->flags |= call_no_return;
    tell(std::move(*thread.call));
    thread.call.reset();
  } else {
    complete(thread, result);
  }
}

void System::foreign_call(Thread& thread) {
  ++calls_;
  ++thread.process->calls;
  Registers& registers = thread.context.registers;
  thread.call = begin_call(*this, thread);
  thread.call->abi = CallAbi::i386;
  thread.call->args = {registers.rbx & 0xffffffff, registers.rcx & 0xffffffff, registers.rdx & 0xffffffff,
                       registers.rsi & 0xffffffff, registers.rdi & 0xffffffff, registers.rbp & 0xffffffff};
  Request request(*this, thread);
  const int64_t result = request.refuse("int 0x80: " + std::to_string(thread.call->number), -ENOSYS);
  if (thread.call) complete(thread, result);
}

void System::complete(Thread& thread, int64_t result) {
  thread.wait.reset();
  thread.context.registers.rax = static_cast<uint64_t>(result);
  if (!thread.call) return;
  thread.call->result = result;
  tell(std::move(*thread.call));
  thread.call.reset();
}

void System::tell(Call call) {
  call.seq = seq_++;
  const bool rare = call.kind == CallKind::start || call.kind == CallKind::exec || call.kind == CallKind::exit;
  // What makes sense of the rest is told when the rest is not any more.
  if (told_ >= (rare ? 2 * options.limits.calls : options.limits.calls)) {
    ++dropped_;
    return;
  }
  ++told_;
  sink.call(call);
}

void System::tell_event(CallKind kind, const Thread& thread, uint64_t first, uint64_t second, uint64_t third,
                        std::vector<CallText> texts) {
  Call event;
  event.kind = kind;
  event.pid = thread.process->pid;
  event.tid = thread.tid;
  event.time_ns = clock.host_ns();
  event.args = {first, second, third, 0, 0, 0};
  event.texts = std::move(texts);
  for (CallText& text : event.texts) {
    if (text.text.size() <= call_text_max) continue;
    text.text.resize(call_text_max);
    event.flags |= call_cut;
  }
  tell(std::move(event));
}

void System::note_refusal(const std::string& call, const char* reason) {
  const auto key = std::pair(call.substr(0, 256), std::string(reason));
  const auto found = refusals_.find(key);
  if (found != refusals_.end()) {
    ++found->second;
  } else if (refusals_.size() >= report_list_max) {
    ++refusals_dropped_;
  } else {
    refusals_.emplace(key, 1);
  }
}

void System::note_denied() { ++denied_; }
void System::note_unknown() { ++unknown_; }

}  // namespace shrike::sandbox::microvm
