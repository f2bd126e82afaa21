#pragma once
// What the kernel refuses by itself for a rule: exactly what the rule would have told of, or nothing.

#include <cstdint>
#include <string>
#include <string_view>

namespace shrike {

struct Denial {
  std::string rule;
  uint32_t sets = 0;    ///< of objects: the file (exec: the program) is in one of these
  uint8_t opens = 0;    ///< bit n: opens whose flags have O_ACCMODE n
  uint32_t access = 0;  ///< Access bits, but those of opens
  bool exec = false;    ///< executions, also as code mapped from the file
  uint32_t only = 0;    ///< sets of executables: only their processes are refused; 0: all
  uint32_t exempt = 0;  ///< sets of executables: their processes never are
};

/// Events of kind `denied` name the rule by this number.
constexpr uint64_t denial_number(std::string_view rule) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a: the same in every build
  for (const char c : rule) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return h;
}

}  // namespace shrike
