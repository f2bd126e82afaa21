#include "collector/ctl/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using testing::HasSubstr;

TEST(Address, IsLoopbackWithAPort) {
  EXPECT_EQ(parse_address("127.0.0.1:9477")->port, 9477);
  EXPECT_EQ(parse_address("http://localhost:80/")->host, "localhost");
  EXPECT_EQ(parse_address("[::1]:9477")->host, "::1");
  EXPECT_EQ(parse_address("[::1]:9477")->address(), "[::1]:9477");
  for (const char* text : {"", "127.0.0.1", ":9477", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:9x"}) {
    EXPECT_FALSE(parse_address(text).ok()) << text;
  }
}

TEST(Address, OfAnotherHostIsRefusedWithAWayOut) {
  EXPECT_THAT(parse_address("10.0.0.1:9477").error().message, HasSubstr("ssh -L"));
}

TEST(Endpoint, ComesFromTheFileAndFlagsWin) {
  const Temporary files;
  const std::string token = files.file("token", "secret\n");
  const std::string config = files.file("shrike.toml", "api = \"127.0.0.1:1234\"\ntoken_file = \"" + token + "\"\n");
  const auto from_file = find_endpoint({"", "", config});
  ASSERT_TRUE(from_file.ok()) << from_file.error().message;
  EXPECT_EQ(from_file->port, 1234);
  EXPECT_EQ(from_file->token, "secret");
  const auto from_flags = find_endpoint({"127.0.0.1:5", files.file("other", "else"), config});
  ASSERT_TRUE(from_flags.ok());
  EXPECT_EQ(from_flags->port, 5);
  EXPECT_EQ(from_flags->token, "else");
}

TEST(Endpoint, WrongConfigurationIsNamedWithItsPlace) {
  const Temporary files;
  const auto error = [&](const std::string& text) {
    return find_endpoint({"", "", files.file("shrike.toml", text)}).error().message;
  };
  EXPECT_THAT(error("api = 5\n"), HasSubstr("shrike.toml:1:1: api: "));
  EXPECT_THAT(error("\nport = \"x\"\n"), testing::AllOf(HasSubstr("shrike.toml:2:"), HasSubstr("port")));
  EXPECT_THAT(error("api = \n"), HasSubstr("shrike.toml:1:"));
  EXPECT_THAT(find_endpoint({"", "", files.dir() + "/none"}).error().message, HasSubstr("/none"));
}

TEST(Endpoint, MissingOrOddTokenIsExplained) {
  const Temporary files;
  const std::string config = files.file("shrike.toml", "");
  EXPECT_THAT(find_endpoint({"", files.dir() + "/none", config}).error().message, HasSubstr("--token-file"));
  EXPECT_THAT(find_endpoint({"", files.file("odd", "a b"), config}).error().message, HasSubstr("no token"));
  EXPECT_FALSE(find_endpoint({"", files.file("odd", "a\r\nX-Other: 1"), config}).ok());
}

}  // namespace
}  // namespace shrike::ctl
