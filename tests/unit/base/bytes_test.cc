#include "common/base/bytes.h"

#include <gtest/gtest.h>

namespace shrike {

TEST(Hex, ReadsBackWhatItWrote) {
  const std::string bytes("\x00\x7f\xff\x10", 4);
  EXPECT_EQ(hex(bytes), "007fff10");
  EXPECT_EQ(unhex("007fFF10").value(), bytes);
}

TEST(Hex, NamesTheColumnOfWhatIsNoDigit) {
  EXPECT_EQ(unhex("00g0").error().message, "not hexadecimal at column 3");
  EXPECT_EQ(unhex("000").error().message, "hexadecimal text of odd length 3");
}

}  // namespace shrike
