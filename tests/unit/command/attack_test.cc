// What whoever can publish to a node's command subject, or has old messages, might try.

#include <fstream>

#include "tests/unit/command/desk_fixture.h"

namespace shrike::command {
namespace {
using testing::HasSubstr;

class Attack : public DeskTest {
 protected:
  Attack() { pass(second_ns); }
};

TEST_F(Attack, AForgedCommandIsTold) {
  const std::string forged = command_message(seal_command(header("x"), PrivateKey::generate()), 0, "a body");
  EXPECT_EQ(told(take(forged)), "forged!");
  EXPECT_EQ(told(take("")), "forged!");
  EXPECT_EQ(told(take(std::string(100'000, '\xff'))), "forged!");
  EXPECT_FALSE(next());
}

TEST_F(Attack, ACommandForAnotherNodeIsTold) {
  CommandHeader other = header("x");
  other.node = "web-2";
  EXPECT_EQ(told(take(message(other))), "misdirected!");
  EXPECT_FALSE(next());
}

TEST_F(Attack, AnExpiredCommandIsRefused) {
  const std::string old = message(header("x"));
  pass(600 * second_ns + clock_tolerance_ns - second_ns);
  EXPECT_EQ(told(take(old)), "accepted") << "within the tolerance of clocks";
  const std::string older = message(header("y"));
  pass(600 * second_ns + clock_tolerance_ns + second_ns);
  EXPECT_THAT(told(take(older)), HasSubstr("refused: it expired at"));
  EXPECT_EQ(told(take(older)), "refused!") << "told in the stream once in a while only";
}

TEST_F(Attack, ACommandFromTheFutureIsRefused) {
  CommandHeader future = header("x");
  future.issued_ns += clock_tolerance_ns + second_ns;
  future.expires_ns += clock_tolerance_ns + second_ns;
  EXPECT_THAT(told(take(message(future))), HasSubstr("in the future"));
}

TEST_F(Attack, ACutMessageIsTold) {
  const std::string bytes = message(header("x"));
  EXPECT_EQ(told(take(bytes.substr(0, bytes.size() - 1))), "forged!");
  EXPECT_FALSE(next());
}

TEST_F(Attack, SwappedPartsAreTold) {
  std::string body(2 * command_part_bytes, 'a');
  body[command_part_bytes] = 'b';
  const std::string sealed = seal_command(header("x", body), key);
  const std::string_view first = std::string_view(body).substr(0, command_part_bytes);
  const std::string_view second = std::string_view(body).substr(command_part_bytes);
  EXPECT_EQ(told(take(command_message(sealed, 0, second))), "forged!");
  EXPECT_EQ(told(take(command_message(sealed, 1, first))), "forged!");
  EXPECT_FALSE(next());
}

TEST_F(Attack, AnothersBodyIsTold) {
  EXPECT_EQ(told(take(command_message(seal_command(header("x"), key), 0, "b body"))), "forged!");
}

TEST_F(Attack, TheSameIdWithAnotherBodyIsRefused) {
  take(message(header("x")));
  EXPECT_THAT(told(take(message(header("x", "b body"), "b body"))), HasSubstr("reused!"));
  EXPECT_EQ(read(next()->body), "a body");
  EXPECT_FALSE(next());
}

TEST_F(Attack, TheSameIdWithAnotherBodyIsRefusedWhileTheFirstIsIncomplete) {
  const std::string body(2 * command_part_bytes, 'a');
  const CommandHeader made = header("x", body);
  take(message(made, body, 0));
  EXPECT_EQ(told(take(message(header("x")))), "reused!");
  EXPECT_EQ(told(take(message(made, body, 1))), "accepted");
}

TEST_F(Attack, AReplayAfterARestartIsNotObeyed) {
  const std::string bytes = message(header("x"));
  take(bytes);
  next();
  CommandDesk::Outcome out;
  desk->finish("x", CommandState::done, "", out);
  restart();
  EXPECT_EQ(told(take(bytes)), "done");
  EXPECT_FALSE(next());
}

TEST_F(Attack, AReplayAfterTheStateWasLostIsRefused) {
  const std::string bytes = message(header("x"));
  take(bytes);
  next();
  std::filesystem::remove_all(folder + "/commands");
  restart();
  EXPECT_THAT(told(take(bytes)), HasSubstr("it may be a repetition"));
  EXPECT_FALSE(next());
}

TEST_F(Attack, AReplayAfterTheBookWasDamagedIsRefusedAndTheDamageTold) {
  const std::string bytes = message(header("x"));
  take(bytes);
  next();
  std::ofstream(folder + "/commands/book", std::ios::app) << "x";
  restart();
  EXPECT_EQ(told(tick()), "damage!");
  EXPECT_THAT(told(take(bytes)), HasSubstr("it may be a repetition"));
  EXPECT_FALSE(next());
}

TEST_F(Attack, AReplayOfAForgottenCommandIsRefusedWhateverTheClockSays) {
  const std::string first = message(header("first"));
  take(first);
  next();
  CommandDesk::Outcome out;
  desk->finish("first", CommandState::done, "", out);
  for (size_t i = 0; i < CommandBook::entries_max; ++i) {
    pass(1000);
    const std::string id = "job" + std::to_string(i);
    ASSERT_EQ(told(take(message(header(id)))), "accepted");
    next();
    desk->finish(id, CommandState::done, "", out);
  }
  EXPECT_THAT(told(take(first)), HasSubstr("it may be a repetition"));
  restart();
  EXPECT_THAT(told(take(first)), HasSubstr("it may be a repetition"));
}

TEST_F(Attack, AFloodTakesBoundedRoom) {
  const std::string body(2 * command_part_bytes, 'a');
  for (int i = 0; i < 200; ++i) {
    take(message(header("half" + std::to_string(i), body), body, 0));
    take(command_message(seal_command(header("f" + std::to_string(i)), PrivateKey::generate()), 0, "a body"));
  }
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder + "/commands")) bytes += file.file_size();
  EXPECT_LE(bytes, CommandDesk::assemblies_max * body.size() + 4096);
}

}  // namespace
}  // namespace shrike::command
