#include "collector/command_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/bundle.h"

namespace shrike::collector {
namespace {

std::string wrong(std::string_view text) {
  BadParameter bad;
  return parse_command_request(text, bad) ? "nothing" : bad.parameter;
}

TEST(CommandRequest, AJobAndItsFilesBecomeABundle) {
  BadParameter bad;
  const auto command =
      parse_command_request(R"({"node":"web-1","expires_s":60,"job":{"id":"j1","x":[1]},"files":["Zm9v",""]})", bad);
  ASSERT_TRUE(command) << bad.parameter << ": " << bad.what;
  EXPECT_EQ(command->node, "web-1");
  EXPECT_EQ(command->id, "j1");
  EXPECT_EQ(command->kind, CommandKind::detonate);
  EXPECT_EQ(command->life_ns, 60'000'000'000u);
  const auto head = open_bundle(command->body, command->body.size());
  ASSERT_TRUE(head);
  EXPECT_EQ(head->text, R"({"id":"j1","x":[1]})");
  ASSERT_EQ(head->files.size(), 2u);
  EXPECT_EQ(command->body.substr(head->files[0].offset, head->files[0].size), "foo");
}

TEST(CommandRequest, AProfileIsItsBody) {
  BadParameter bad;
  const auto command = parse_command_request(R"({"node":"web-1","kind":"profile","body":"Zm9v"})", bad);
  ASSERT_TRUE(command) << bad.what;
  EXPECT_EQ(command->body, "foo");
  EXPECT_EQ(command->kind, CommandKind::profile);
}

TEST(CommandRequest, WhatIsWrongIsNamed) {
  EXPECT_EQ(wrong(""), "body");
  EXPECT_EQ(wrong("[]"), "body");
  EXPECT_EQ(wrong(std::string(100'000, '[')), "body");
  EXPECT_EQ(wrong(R"({"job":{"id":"a"},"files":[""]})"), "node");
  EXPECT_EQ(wrong(R"({"node":"A B","job":{"id":"a"},"files":[""]})"), "node");
  EXPECT_EQ(wrong(R"({"node":"a","kind":"reboot"})"), "kind");
  EXPECT_EQ(wrong(R"({"node":"a","files":[""]})"), "job");
  EXPECT_EQ(wrong(R"({"node":"a","job":{"id":"a"}})"), "files");
  EXPECT_EQ(wrong(R"({"node":"a","job":{"id":"a"},"files":["*"]})"), "files[0]");
  EXPECT_EQ(wrong(R"({"node":"a","job":{"id":"a"},"files":[7]})"), "files[0]");
  EXPECT_EQ(wrong(R"({"node":"a","id":"b","job":{"id":"a"},"files":[""]})"), "id");
  EXPECT_EQ(wrong(R"({"node":"a","job":{"id":"a"},"files":[""],"expires_s":0})"), "expires_s");
  EXPECT_EQ(wrong(R"({"node":"a","job":{"id":"a"},"files":[""],"now":true})"), "now");
}

}  // namespace
}  // namespace shrike::collector
