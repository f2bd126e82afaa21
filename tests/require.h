#pragma once
// Says what a test needs. When it is not there the test is skipped and says so; when SHRIKE_REQUIRE (a comma-separated
// list) names it, its absence is a failure.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace shrike::test {

inline bool required(std::string_view what) {
  const char* list = std::getenv("SHRIKE_REQUIRE");
  if (list == nullptr) return false;
  std::string_view rest = list;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    if (rest.substr(0, comma) == what) return true;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace shrike::test

#define SHRIKE_NEED(what, condition)                                                                 \
  do {                                                                                               \
    if (!(condition)) {                                                                              \
      if (::shrike::test::required(what)) FAIL() << what << " is required and missing: " #condition; \
      GTEST_SKIP() << "needs " << what << ": " #condition;                                           \
    }                                                                                                \
  } while (false)
