#include "common/wire/subjects.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shrike {
namespace {

TEST(NodeId, IsOneSubjectToken) {
  for (const char* good : {"a", "web-1", "0", "-"}) EXPECT_TRUE(check_node_id(good)) << good;
  EXPECT_TRUE(check_node_id(std::string(63, 'a')));
  for (const char* bad : {"", "Web", "a.b", "a b", "*", ">", "a/b", "\xc3\xa4", "a_b"})
    EXPECT_FALSE(check_node_id(bad)) << bad;
  EXPECT_FALSE(check_node_id(std::string(64, 'a')));
  EXPECT_FALSE(check_node_id(std::string_view("a\0b", 3)));
}

TEST(Subjects, PartitionsNeverChange) {
  // Frozen: streams and permissions on disk depend on them.
  EXPECT_EQ(partition_of("web-1"), 52u);
  EXPECT_EQ(batch_subject(Lane::alerts, "web-1"),
            "shrike.v1.alerts." + std::to_string(partition_of("web-1")) + ".web-1");
  EXPECT_EQ(ack_subject("web-1"), "shrike.v1.ack.web-1");
  EXPECT_EQ(command_subject("web-1"), "shrike.v1.cmd.web-1");
  BootId boot{};
  boot[0] = 0xab;
  EXPECT_EQ(message_id("web-1", boot, Lane::telemetry, 7), "web-1.ab000000000000000000000000000000.telemetry.7");
}

TEST(Subjects, ABatchSubjectParsesToItsLaneAndNode) {
  for (const Lane lane : {Lane::alerts, Lane::telemetry}) {
    const auto parsed = parse_batch_subject(batch_subject(lane, "web-1"));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->lane, lane);
    EXPECT_EQ(parsed->node, "web-1");
  }
}

TEST(Subjects, AnyOtherSubjectIsRefused) {
  const std::string partition = std::to_string(partition_of("web-1"));
  const std::string wrong = std::to_string((partition_of("web-1") + 1) % partition_count);
  const std::vector<std::string> others = {"",
                                           "shrike.v1.",
                                           "shrike.v1.alerts",
                                           "shrike.v1.alerts." + partition,
                                           "shrike.v1.alerts." + wrong + ".web-1",
                                           "shrike.v1.alerts.0" + partition + ".web-1",
                                           "shrike.v1.other." + partition + ".web-1",
                                           "shrike.v2.alerts." + partition + ".web-1",
                                           "shrike.v1.alerts." + partition + ".web-1.x",
                                           "shrike.v1.alerts." + partition + ".",
                                           "shrike.v1.alerts..web-1",
                                           "xshrike.v1.alerts." + partition + ".web-1"};
  for (const std::string& bad : others) EXPECT_FALSE(parse_batch_subject(bad)) << bad;
}

}  // namespace
}  // namespace shrike
