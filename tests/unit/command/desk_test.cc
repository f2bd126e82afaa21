#include "tests/unit/command/desk_fixture.h"

namespace shrike::command {
namespace {
using testing::HasSubstr;

TEST_F(DeskTest, ACommandIsAcceptedAndHandedOutOnce) {
  pass(second_ns);
  EXPECT_EQ(told(take(message(header("one")))), "accepted");
  const auto order = next();
  ASSERT_TRUE(order);
  EXPECT_EQ(order->header.id, "one");
  EXPECT_EQ(read(order->body), "a body");
  EXPECT_EQ(order->header.body_bytes, 6u);
  EXPECT_FALSE(next());
  CommandDesk::Outcome out;
  desk->finish("one", CommandState::done, "", out);
  EXPECT_EQ(told(out), "done");
  EXPECT_FALSE(next());
}

TEST_F(DeskTest, OrdersAreHandedOutInTheOrderOfTheirIssue) {
  for (const char* id : {"z", "m", "a"}) {
    pass(second_ns);
    EXPECT_EQ(told(take(message(header(id)))), "accepted");
  }
  EXPECT_EQ(next()->header.id, "z");
  EXPECT_EQ(next()->header.id, "m");
  EXPECT_EQ(next()->header.id, "a");
}

TEST_F(DeskTest, ABodyInPartsIsPutTogetherInAnyOrder) {
  pass(second_ns);
  std::string body(2 * command_part_bytes + 5, 'x');
  for (size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>(i / 1000);
  const CommandHeader made = header("parts", body);
  EXPECT_EQ(told(take(message(made, body, 2))), "nothing");
  EXPECT_EQ(told(take(message(made, body, 0))), "nothing");
  EXPECT_EQ(told(take(message(made, body, 0))), "nothing");
  EXPECT_EQ(told(take(message(made, body, 1))), "accepted");
  const auto order = next();
  ASSERT_TRUE(order);
  std::string whole(body.size() + 1, '\0');
  ASSERT_EQ(::pread(order->body.get(), whole.data(), whole.size(), 0), static_cast<ssize_t>(body.size()));
  whole.pop_back();
  EXPECT_TRUE(whole == body);
}

TEST_F(DeskTest, AnOfferIsAnsweredWithWhatIsMissing) {
  pass(second_ns);
  const std::string body(4 * command_part_bytes, 'x');
  const CommandHeader made = header("offer", body);
  auto out = take(seal_command(made, key));
  ASSERT_EQ(told(out), "incomplete");
  EXPECT_THAT(out.news[0].missing, testing::ElementsAre(std::pair(0u, 3u)));
  take(message(made, body, 1));
  pass(3 * second_ns);
  out = tick();
  ASSERT_EQ(told(out), "incomplete");
  EXPECT_THAT(out.news[0].missing, testing::ElementsAre(std::pair(0u, 0u), std::pair(2u, 3u)));
  EXPECT_EQ(told(tick()), "nothing") << "asked a moment ago";
}

TEST_F(DeskTest, WhatIsBegunAndDoesNotGoOnIsGivenUp) {
  pass(second_ns);
  const std::string body(2 * command_part_bytes, 'x');
  take(message(header("half", body), body, 0));
  pass(120 * second_ns);
  tick();
  for (const auto& file : std::filesystem::directory_iterator(folder + "/commands"))
    EXPECT_EQ(file.path().filename(), "book");
}

TEST_F(DeskTest, ARepetitionIsAnsweredAndNotObeyedAgain) {
  pass(second_ns);
  const std::string bytes = message(header("one"));
  take(bytes);
  ASSERT_TRUE(next());
  pass(2 * second_ns);
  EXPECT_EQ(told(take(bytes)), "started");
  EXPECT_EQ(told(take(bytes)), "nothing") << "a flood of repetitions makes no flood of answers";
  EXPECT_FALSE(next());
}

TEST_F(DeskTest, WhatWasBegunBeforeACrashIsToldAsFailedAndNeverBegunAgain) {
  pass(second_ns);
  const std::string bytes = message(header("one"));
  take(bytes);
  ASSERT_TRUE(next());
  restart();
  EXPECT_THAT(told(tick()), testing::AllOf(HasSubstr("failed: the agent ended"), HasSubstr("refused!")));
  EXPECT_FALSE(next());
  EXPECT_THAT(told(take(bytes)), HasSubstr("failed: the agent ended"));
  EXPECT_FALSE(next());
}

TEST_F(DeskTest, WhatWasAcceptedBeforeACrashIsCarriedOutAfterIt) {
  pass(second_ns);
  take(message(header("one")));
  restart();
  const auto order = next();
  ASSERT_TRUE(order);
  EXPECT_EQ(read(order->body), "a body");
}

TEST_F(DeskTest, AnAcceptedCommandWhoseBodyIsGoneFails) {
  pass(second_ns);
  take(message(header("one")));
  std::filesystem::remove(folder + "/commands/one.body");
  restart();
  EXPECT_THAT(told(tick()), HasSubstr("failed: its body is no longer"));
}

TEST_F(DeskTest, ACommandThatWaitsTooLongFails) {
  pass(second_ns);
  take(message(header("one")));
  pass(600 * second_ns + clock_tolerance_ns + 1);
  CommandDesk::Outcome out;
  EXPECT_FALSE(desk->next(CommandKind::detonate, now, out));
  EXPECT_THAT(told(out), HasSubstr("failed: it expired before it was its turn"));
}

TEST_F(DeskTest, KindsThatAreNotAllowedAreRefusedWithTheReason) {
  pass(second_ns);
  CommandHeader profile = header("p");
  profile.kind = CommandKind::profile;
  EXPECT_EQ(told(take(message(profile))), "refused: orders to detonate are switched off refused!");
}

TEST_F(DeskTest, MoreThanCanWaitIsRefused) {
  for (size_t i = 0; i < CommandBook::open_max; ++i) {
    pass(second_ns);
    ASSERT_EQ(told(take(message(header("job" + std::to_string(i))))), "accepted") << i;
  }
  pass(second_ns);
  EXPECT_THAT(told(take(message(header("more")))), HasSubstr("refused: 32 commands are waiting"));
}

}  // namespace
}  // namespace shrike::command
