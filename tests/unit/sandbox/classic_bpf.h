#pragma once
// Runs a seccomp filter as the kernel does, for tests: the part of classic BPF that seccomp(2) takes.

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace shrike::test {

/// The filter's answer. UINT32_MAX (which no filter gives) for anything that seccomp would not have loaded.
inline uint32_t run_filter(std::span<const sock_filter> filter, const seccomp_data& data) {
  uint32_t a = 0, x = 0, memory[16] = {};
  for (size_t at = 0; at < filter.size(); ++at) {
    const auto& op = filter[at];
    const uint32_t operand = (op.code & BPF_X) != 0 ? x : op.k;
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k % 4 != 0 || op.k + 4 > sizeof data) return UINT32_MAX;
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + op.k, 4);
        break;
      case BPF_LD | BPF_IMM:
        a = op.k;
        break;
      case BPF_LDX | BPF_IMM:
        x = op.k;
        break;
      case BPF_LD | BPF_MEM:
        a = memory[op.k & 15];
        break;
      case BPF_LDX | BPF_MEM:
        x = memory[op.k & 15];
        break;
      case BPF_ST:
        memory[op.k & 15] = a;
        break;
      case BPF_STX:
        memory[op.k & 15] = x;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_MISC | BPF_TXA:
        a = x;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_ALU | BPF_AND | BPF_X:
        a &= operand;
        break;
      case BPF_ALU | BPF_OR | BPF_K:
      case BPF_ALU | BPF_OR | BPF_X:
        a |= operand;
        break;
      case BPF_JMP | BPF_JA:
        at += op.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JEQ | BPF_X:
        at += a == operand ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_X:
        at += a > operand ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_X:
        at += a >= operand ? op.jt : op.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_X:
        at += (a & operand) != 0 ? op.jt : op.jf;
        break;
      case BPF_RET | BPF_K:
        return op.k;
      case BPF_RET | BPF_A:
        return a;
      default:
        return UINT32_MAX;
    }
  }
  return UINT32_MAX;
}

}  // namespace shrike::test
