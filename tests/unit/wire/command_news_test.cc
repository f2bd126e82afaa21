#include "common/wire/command_news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike {
namespace {
using testing::HasSubstr;

CommandNews news() {
  CommandNews out;
  out.id = "4f1d2c3b";
  out.digest.fill(7);
  out.state = CommandState::incomplete;
  out.reason = "two parts are \"missing\"\n";
  out.missing = {{1, 1}, {7, 127}};
  return out;
}

TEST(CommandNews, ComesBackAsItWas) {
  for (const CommandState state : {CommandState::incomplete, CommandState::accepted, CommandState::started,
                                   CommandState::done, CommandState::failed, CommandState::refused}) {
    CommandNews one = news();
    one.state = state;
    const auto back = command_news_from_json(command_news_to_json(one));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, one);
  }
}

TEST(CommandNews, LongReasonsAreCutAndStrangeBytesReplaced) {
  CommandNews one = news();
  one.reason = std::string(5000, 'x') + "\xff";
  auto back = command_news_from_json(command_news_to_json(one));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->reason.size(), command_reason_max_bytes);
  one.reason = "\xff";
  back = command_news_from_json(command_news_to_json(one));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->reason, "\xef\xbf\xbd");
}

TEST(CommandNews, WhatIsOutOfBoundsIsNamed) {
  const std::string good = command_news_to_json(news());
  const auto error_with = [&](std::string_view from, std::string_view to) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    const auto back = command_news_from_json(changed);
    return back ? std::string("it was taken") : back.error().message;
  };
  EXPECT_THAT(error_with("4f1d2c3b", "../x"), HasSubstr("id"));
  EXPECT_THAT(error_with("\"digest\":\"07", "\"digest\":\""), HasSubstr("digest"));
  EXPECT_THAT(error_with("\"detonate\"", "3"), HasSubstr("no kind"));
  EXPECT_THAT(error_with("\"incomplete\"", "\"gone\""), HasSubstr("state"));
  EXPECT_THAT(error_with("[7,127]", "[7,128]"), HasSubstr("no range"));
  EXPECT_THAT(error_with("[7,127]", "[9,8]"), HasSubstr("no range"));
  EXPECT_THAT(error_with("[7,127]", "7"), HasSubstr("no range"));
  EXPECT_FALSE(command_news_from_json("[]"));
  EXPECT_FALSE(command_news_from_json(""));
}

}  // namespace
}  // namespace shrike
