#include "common/base/toml_parse.h"

#include <gtest/gtest.h>

namespace shrike {

TEST(Toml, ErrorsNameFileLineAndColumn) {
  EXPECT_TRUE(parse_toml("a = 1\n", "x.toml").ok());
  EXPECT_TRUE(parse_toml("a = 1\nb = \n", "x.toml").error().message.starts_with("x.toml:2:"));
  EXPECT_TRUE(parse_toml("a = 1\n\xC3\xA4 = 2\n", "x.toml").error().message.starts_with("x.toml:2:1: "));
}

TEST(Toml, WhatBreaksTheLibrarysAssumptionsIsAnError) {
  for (const char* text :
       {"[ = 1", "[[ = 1", "a = \"\xC3\"\n\xC3", "a = 8\u0464", "a = 6\x1b\"\"\u0464", "[a\n", "a = [1,"})
    EXPECT_FALSE(parse_toml(text, "x.toml").ok()) << text;
  EXPECT_FALSE(parse_toml("a = " + std::string(10'000, '['), "x.toml").ok());
}

}  // namespace shrike
