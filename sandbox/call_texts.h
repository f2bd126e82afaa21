#pragma once
// Which arguments of a call point at something worth telling, and how to read it.

#include <cstdint>
#include <span>

#include "sandbox/call.h"

namespace shrike::sandbox {

enum class TextHow : uint8_t {
  string = 1,   ///< ends with NUL
  strings = 2,  ///< an array of pointers to such, ended by a null pointer
  bytes = 3     ///< as many as another argument says
};

struct TextPlan {
  int16_t number = 0;  ///< x86-64
  uint8_t argument = 0;
  TextHow how = TextHow::string;
  TextKind kind = TextKind::path;
  uint8_t length_argument = 0;  ///< bytes: which argument has their number
  uint16_t most = 4096;         ///< bytes of it that are told
};

/// By number; at most two for one call.
std::span<const TextPlan> text_plans();
/// Those of one call.
std::span<const TextPlan> text_plans(int number);

/// prctl's second argument is a name with one of its options only: with others what was read there is none.
void drop_needless_texts(Call& call);

}  // namespace shrike::sandbox
