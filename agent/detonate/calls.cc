#include "agent/detonate/calls.h"

#include <array>

#include "agent/detonate/call_numbers.h"
#include "scoring/sequence/call_names.h"

namespace shrike::detonate {
namespace {

constexpr int32_t x32_bit = 0x40000000;

struct Numbers {
  std::array<uint16_t, SHRIKE_CALL_NUMBERS> native{};
  std::array<uint16_t, SHRIKE_CALL_NUMBERS32> compat{};
};

Numbers make_numbers() {
  Numbers numbers;
  for (uint16_t id = 1; id < SHRIKE_CALL_END; ++id) {
    const shrike_call_info& info = shrike_call_infos[id];
    if (info.number64 >= 0) numbers.native[static_cast<size_t>(info.number64)] = id;
    if (info.number32 >= 0) numbers.compat[static_cast<size_t>(info.number32)] = id;
  }
#define X(number, name) numbers.native[number] = SHRIKE_CALL_##name;
  SHRIKE_X32_CALLS(X)
#undef X
  return numbers;
}

const Numbers& numbers() {
  static const Numbers made = make_numbers();
  return made;
}

}  // namespace

uint32_t call_id(const sandbox::Call& call) {
  if (call.kind != sandbox::CallKind::call || call.number < 0) return 0;
  if (call.abi == sandbox::CallAbi::i386)
    return call.number < SHRIKE_CALL_NUMBERS32 ? numbers().compat[static_cast<size_t>(call.number)] : 0;
  const int32_t number = call.number & ~x32_bit;
  // 512 and above are x32's alone.
  if (number >= 512 && call.abi != sandbox::CallAbi::x32) return 0;
  return number < SHRIKE_CALL_NUMBERS ? numbers().native[static_cast<size_t>(number)] : 0;
}

int native_number(const sandbox::Call& call) {
  if (call.kind != sandbox::CallKind::call || call.number < 0) return -1;
  if (call.abi == sandbox::CallAbi::x86_64) return call.number;
  if (const uint32_t id = call_id(call)) return shrike_call_infos[id].number64;
  return call.abi == sandbox::CallAbi::x32 && (call.number & ~x32_bit) < 512 ? call.number & ~x32_bit : -1;
}

std::string call_text(const sandbox::Call& call) {
  if (call.abi == sandbox::CallAbi::x86_64 && call.number >= 0 &&
      call.number < static_cast<int32_t>(scoring::sequence::call_limit)) {
    const auto name = scoring::sequence::call_name(static_cast<scoring::sequence::Call>(call.number));
    if (!name.empty()) return std::string(name);
  }
  if (const uint32_t id = call_id(call)) {
    const std::string name = shrike_call_infos[id].name;
    return call.abi == sandbox::CallAbi::i386  ? "i386:" + name
           : call.abi == sandbox::CallAbi::x32 ? "x32:" + name
                                               : name;
  }
  const std::string number = std::to_string(call.number);
  if (call.abi == sandbox::CallAbi::i386) return "i386:" + number;
  return call.abi == sandbox::CallAbi::x32 ? "x32:" + number : "call " + number;
}

}  // namespace shrike::detonate
