#pragma once
// Which of the calls that make events of a kind of their own (bpf/shrike_calls.h) a sandbox's call is.

#include <cstdint>
#include <string>

#include "sandbox/call.h"

namespace shrike::detonate {

/// Value of enum shrike_call; 0: none of them.
uint32_t call_id(const sandbox::Call& call);
/// Its number among the x86-64 calls, as far as they mean the same; -1 where none does.
int native_number(const sandbox::Call& call);
/// "openat", "i386:5", "x32:59", "call 999".
std::string call_text(const sandbox::Call& call);

}  // namespace shrike::detonate
