#pragma once
// toml++ and the one call that reads a file's text with it. Include this, never <toml++/toml.h>.

#include <string>
#include <string_view>

#include "common/base/result.h"

// toml++ 3.3 states assumptions that a file can break ("[ = 1"): with NDEBUG they are undefined behaviour, else aborts.
// What follows each of them is a right error, so they are left out.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
// The library's own limit of 256 is more stack than a thread may have.
#define TOML_MAX_NESTED_VALUES 32
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop
#pragma pop_macro("NDEBUG")

namespace shrike {

/// Errors: not TOML, as "<name>:<line>:<column>: why".
Result<toml::table> parse_toml(std::string_view text, const std::string& name);

/// "<name>:<line>:<column>" of where a node stands.
std::string toml_place(const std::string& name, const toml::source_region& source);

}  // namespace shrike
