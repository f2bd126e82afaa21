#pragma once
// Classic BPF for seccomp, rule by rule: a call is allowed when all tests of one of its rules hold.

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace shrike::sandbox::microvm {

class FilterBuilder {
 public:
  /// Everything but x86-64 calls ends in `deny` (a SECCOMP_RET value), and so does what no rule allows.
  explicit FilterBuilder(uint32_t deny);
  /// Begins a rule; the tests that follow belong to it.
  FilterBuilder& call(int number);
  FilterBuilder& equal(unsigned argument, uint64_t value);
  /// No bit but those of `bits`.
  FilterBuilder& within(unsigned argument, uint64_t bits);
  FilterBuilder& at_least(unsigned argument, uint64_t value);
  FilterBuilder& below(unsigned argument, uint64_t value);
  /// The whole program. Rules are tried in order.
  std::vector<sock_filter> build();

 private:
  // Where a jump leads that is known only at the rule's end.
  static constexpr uint8_t to_next_rule = 0xff;
  void add(uint16_t code, uint32_t k, uint8_t if_true = 0, uint8_t if_false = 0);
  void load_low(unsigned argument);
  void load_high(unsigned argument);
  void end_rule();

  uint32_t deny_;
  std::vector<sock_filter> program_;
  size_t rule_ = 0;  // where the rule that is being made begins; 0: none
};

}  // namespace shrike::sandbox::microvm
