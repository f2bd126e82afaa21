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

TEST(Base64, IsAsInRfc4648) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : examples) {
    EXPECT_EQ(base64(plain), text);
    const auto back = unbase64(text);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, plain);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(*unbase64(base64(all)), all);
}

TEST(Base64, HasOneSpellingOnly) {
  for (const char* text : {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9-"})
    EXPECT_FALSE(unbase64(text)) << text;
}

}  // namespace shrike
