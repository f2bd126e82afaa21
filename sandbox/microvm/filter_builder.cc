#include "sandbox/microvm/filter_builder.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace shrike::sandbox::microvm {
namespace {

constexpr uint16_t load = BPF_LD | BPF_W | BPF_ABS, jump_equal = BPF_JMP | BPF_JEQ | BPF_K,
                   jump_greater = BPF_JMP | BPF_JGT | BPF_K, jump_at_least = BPF_JMP | BPF_JGE | BPF_K,
                   jump_any = BPF_JMP | BPF_JSET | BPF_K, answer = BPF_RET | BPF_K;
constexpr uint32_t x32_bit = 0x4000'0000;

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

}  // namespace

FilterBuilder::FilterBuilder(uint32_t deny) : deny_(deny) {
  add(load, offsetof(seccomp_data, arch));
  add(jump_equal, AUDIT_ARCH_X86_64, 1, 0);
  add(answer, deny_);
  add(load, offsetof(seccomp_data, nr));
  add(jump_any, x32_bit, 0, 1);
  add(answer, deny_);
}

void FilterBuilder::add(uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false) {
  program_.push_back({code, if_true, if_false, k});
}

void FilterBuilder::load_low(unsigned argument) {
  add(load, static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t)));
}

void FilterBuilder::load_high(unsigned argument) {
  add(load, static_cast<uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t) + sizeof(uint32_t)));
}

FilterBuilder& FilterBuilder::call(int number) {
  end_rule();
  rule_ = program_.size();
  add(load, offsetof(seccomp_data, nr));
  add(jump_equal, static_cast<uint32_t>(number), 0, to_next_rule);
  return *this;
}

FilterBuilder& FilterBuilder::equal(unsigned argument, uint64_t value) {
  load_high(argument);
  add(jump_equal, high(value), 0, to_next_rule);
  load_low(argument);
  add(jump_equal, low(value), 0, to_next_rule);
  return *this;
}

FilterBuilder& FilterBuilder::within(unsigned argument, uint64_t bits) {
  load_high(argument);
  add(jump_any, high(~bits), to_next_rule, 0);
  load_low(argument);
  add(jump_any, low(~bits), to_next_rule, 0);
  return *this;
}

FilterBuilder& FilterBuilder::at_least(unsigned argument, uint64_t value) {
  load_high(argument);
  add(jump_greater, high(value), 3, 0);
  add(jump_equal, high(value), 0, to_next_rule);
  load_low(argument);
  add(jump_at_least, low(value), 0, to_next_rule);
  return *this;
}

FilterBuilder& FilterBuilder::below(unsigned argument, uint64_t value) {
  load_high(argument);
  add(jump_greater, high(value), to_next_rule, 0);
  add(jump_equal, high(value), 0, 2);
  load_low(argument);
  add(jump_at_least, low(value), to_next_rule, 0);
  return *this;
}

void FilterBuilder::end_rule() {
  if (rule_ == 0) return;
  add(answer, SECCOMP_RET_ALLOW);
  for (size_t at = rule_; at < program_.size(); ++at) {
    const size_t distance = program_.size() - at - 1;
    if (distance >= to_next_rule) {
      std::fprintf(stderr, "FilterBuilder: a rule is too long\n");
      std::abort();
    }
    if (program_[at].jt == to_next_rule) program_[at].jt = static_cast<uint8_t>(distance);
    if (program_[at].jf == to_next_rule) program_[at].jf = static_cast<uint8_t>(distance);
  }
  rule_ = 0;
}

std::vector<sock_filter> FilterBuilder::build() {
  end_rule();
  add(answer, deny_);
  return program_;
}

}  // namespace shrike::sandbox::microvm
