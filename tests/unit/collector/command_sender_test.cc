#include "collector/command_sender.h"

#include <gmock/gmock.h>

#include "common/base/clock.h"
#include "tests/unit/collector/folder.h"

namespace shrike::collector {
namespace {
using testing::HasSubstr;
using namespace std::chrono_literals;

class CommandSenderTest : public test::Folder {
 protected:
  void TearDown() override {
    sender.reset();
    Folder::TearDown();
  }
  void open() {
    sender.reset();
    auto opened = CommandSender::open({dir + "/commands.sqlite", key, "collector",
                                       [this](const std::string& node, std::string_view bytes) {
                                         const std::lock_guard lock(mutex);
                                         sent.emplace_back(node, std::string(bytes));
                                         came.notify_all();
                                         return true;
                                       },
                                       [](bool, const std::string& text) { ADD_FAILURE() << text; }});
    ASSERT_TRUE(opened) << opened.error().message;
    sender = std::move(*opened);
    sender->start();
  }
  CommandRow add(const std::string& id, std::string body, uint64_t life_ns = 600'000'000'000) {
    auto added = sender->add({"web-1", id, CommandKind::detonate, life_ns, std::move(body)}, wall_now_ns());
    EXPECT_TRUE(added) << added.error().message;
    return added ? added->row : CommandRow{};
  }
  void tell(const CommandRow& row, CommandState state, std::vector<std::pair<uint32_t, uint32_t>> missing = {}) {
    sender->news("web-1", {row.id, row.digest, row.kind, state, "", std::move(missing)});
  }
  bool eventually(const std::function<bool()>& done) {
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      came.wait_for(lock, 10ms);
    }
    return true;
  }
  bool comes_to(const std::string& id, const std::string& state) {
    return eventually([&] {
      const auto rows = sender->list({.id = id, .node = "", .limit = {}});
      return rows && rows->size() == 1 && rows->front().state == state;
    });
  }
  /// Indices of the parts sent of a command; -1: an offer.
  std::vector<int> parts_of(const std::string& id) const {
    std::vector<int> parts;
    for (const auto& [node, bytes] : sent) {
      const auto opened = open_command(bytes, key.public_key());
      EXPECT_TRUE(opened && node == opened->header.node);
      if (opened && opened->header.id == id) parts.push_back(opened->part ? static_cast<int>(opened->part->index) : -1);
    }
    return parts;
  }

  const PrivateKey key = PrivateKey::generate();
  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::pair<std::string, std::string>> sent;
  std::unique_ptr<CommandSender> sender;
};

TEST_F(CommandSenderTest, ASmallCommandIsSentWholeAndItsEndIsKept) {
  open();
  const CommandRow row = add("one", "a body");
  EXPECT_TRUE(eventually([&] { return !parts_of("one").empty(); }));
  EXPECT_EQ(parts_of("one").front(), 0);
  for (const CommandState state : {CommandState::accepted, CommandState::started, CommandState::done}) {
    tell(row, state);
    EXPECT_TRUE(comes_to("one", std::string(command_state_name(state))));
  }
  open();
  EXPECT_TRUE(comes_to("one", "done")) << "over a restart";
}

TEST_F(CommandSenderTest, ALargeCommandIsOfferedToANodeThatIsAwayAndItsPartsSentWhenAskedFor) {
  open();
  const CommandRow row = add("large", std::string(5 * command_part_bytes, 'x'));
  EXPECT_TRUE(eventually([&] { return parts_of("large") == std::vector<int>{-1}; }));
  tell(row, CommandState::incomplete, {{1, 2}, {4, 4}});
  EXPECT_TRUE(eventually([&] { return parts_of("large") == std::vector<int>({-1, 1, 2, 4}); }));
}

TEST_F(CommandSenderTest, ALargeCommandIsSentAtOnceToANodeThatIsThere) {
  open();
  sender->heard("web-1");
  add("large", std::string(3 * command_part_bytes, 'x'));
  EXPECT_TRUE(eventually([&] { return parts_of("large").size() >= 3; }));
  EXPECT_EQ(parts_of("large").front(), 0);
}

TEST_F(CommandSenderTest, WhatWaitsIsOfferedWhenItsNodeComesBackAlsoAfterARestart) {
  open();
  add("one", std::string(2 * command_part_bytes, 'x'));
  EXPECT_TRUE(eventually([&] { return !parts_of("one").empty(); }));
  open();
  EXPECT_TRUE(eventually([&] { return parts_of("one").size() >= 2; }));
  const size_t before = parts_of("one").size();
  sender->heard("web-1");
  EXPECT_TRUE(eventually([&] { return parts_of("one").size() > before; }));
}

TEST_F(CommandSenderTest, ACommandThatIsNotTakenInTimeExpires) {
  open();
  const CommandRow row = add("late", "a body", 1'000'000);
  EXPECT_TRUE(comes_to("late", "expired"));
  tell(row, CommandState::accepted);
  EXPECT_TRUE(comes_to("late", "accepted")) << "the node's own clock decides";
}

TEST_F(CommandSenderTest, ARepeatedRequestIsOneCommandAndAnIdIsOneCommands) {
  open();
  add("one", "a body");
  const auto again = sender->add({"web-1", "one", CommandKind::detonate, 1'000'000'000, "a body"}, wall_now_ns());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->was_there);
  const auto other = sender->add({"web-1", "one", CommandKind::detonate, 1'000'000'000, "b body"}, wall_now_ns());
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, EEXIST);
  EXPECT_FALSE(sender->add({"web-2", "one", CommandKind::detonate, 1'000'000'000, "a body"}, wall_now_ns()));
}

TEST_F(CommandSenderTest, NewsOfAnotherNodeOfAnotherCommandOrAfterTheEndChangeNothing) {
  open();
  const CommandRow row = add("one", "a body");
  const CommandRow two = add("two", "a body");
  sender->news("web-2", {row.id, row.digest, row.kind, CommandState::done, "", {}});
  CommandNews forged{row.id, row.digest, row.kind, CommandState::done, "", {}};
  forged.digest[0] ^= 1;
  sender->news("web-1", forged);
  sender->news("web-1", {"nobody", row.digest, row.kind, CommandState::done, "", {}});
  tell(two, CommandState::done);
  ASSERT_TRUE(comes_to("two", "done"));
  EXPECT_TRUE(comes_to("one", "queued"));
  tell(two, CommandState::refused);
  tell(row, CommandState::accepted);
  ASSERT_TRUE(comes_to("one", "accepted"));
  EXPECT_TRUE(comes_to("two", "done"));
}

TEST_F(CommandSenderTest, ACommandOutOfBoundsIsNotSigned) {
  open();
  const auto added = sender->add({"../x", "one", CommandKind::detonate, 1, ""}, wall_now_ns());
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, HasSubstr("node id"));
}

}  // namespace
}  // namespace shrike::collector
