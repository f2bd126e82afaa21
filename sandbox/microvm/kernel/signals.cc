#include "sandbox/microvm/kernel/signals.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/base/bytes.h"

namespace shrike::sandbox::microvm {
namespace {
bool is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP;
}
}  // namespace

SignalInfo::Bytes SignalInfo::bytes() const {
  Bytes out{};
  store_le(&out[0], int32_t{number});
  store_le(&out[4], int32_t{error});
  store_le(&out[8], int32_t{code});
  if (is_fault(number) && code > 0 && code != SI_KERNEL) {
    store_le(&out[16], value);
  } else if (code == SI_TIMER) {
    store_le(&out[16], int32_t{timer});
    store_le(&out[20], int32_t{status});
    store_le(&out[24], value);
  } else {
    store_le(&out[16], pid);
    store_le(&out[20], uid);
    if (number == SIGCHLD && code > 0)
      store_le(&out[24], int32_t{status});
    else
      store_le(&out[24], value);
  }
  return out;
}

SignalInfo SignalInfo::from_bytes(std::span<const std::byte, 128> bytes) {
  SignalInfo info;
  info.number = load_le<int32_t>(&bytes[0]);
  info.error = load_le<int32_t>(&bytes[4]);
  info.code = load_le<int32_t>(&bytes[8]);
  info.pid = load_le<uint32_t>(&bytes[16]);
  info.uid = load_le<uint32_t>(&bytes[20]);
  info.value = load_le<uint64_t>(&bytes[24]);
  return info;
}

bool SignalQueue::add(const SignalInfo& info) {
  const bool real_time = info.number >= 32;
  if (!real_time && (set_ & signal_bit(info.number)) != 0) return true;
  if (real_time && queue_.size() >= signals_pending_most) return false;
  queue_.push_back(info);
  set_ |= signal_bit(info.number);
  return true;
}

std::optional<SignalInfo> SignalQueue::take(uint64_t set) {
  const uint64_t ready = set_ & set;
  if (ready == 0) return std::nullopt;
  const int number = std::countr_zero(ready) + 1;
  const auto same = [&](const SignalInfo& info) { return info.number == number; };
  const auto first = std::find_if(queue_.begin(), queue_.end(), same);
  const SignalInfo info = *first;
  queue_.erase(first);
  if (std::none_of(queue_.begin(), queue_.end(), same)) set_ &= ~signal_bit(number);
  return info;
}

void SignalQueue::remove(uint64_t set) {
  set_ &= ~set;
  std::erase_if(queue_, [&](const SignalInfo& info) { return (signal_bit(info.number) & set) != 0; });
}

SignalDefault signal_default(int number) {
  switch (number) {
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
      return SignalDefault::ignore;
    case SIGCONT:
      return SignalDefault::go_on;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return SignalDefault::stop;
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
      return SignalDefault::core;
    default:
      return SignalDefault::end;
  }
}

}  // namespace shrike::sandbox::microvm
