#include "collector/ctl/profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/ctl/options.h"

namespace shrike::ctl {
namespace {
using testing::HasSubstr;
using testing::Not;

const std::string lines =
    R"({"path":"/usr/bin/x\u001b[2J","modified":"2026-01-02T03:04:05Z","known":1200,"left_out":3,"min_nodes":2,)"
    R"("nodes":[{"node":"web-1","received":"2026-11-20T08:00:00Z","calls":5000,"known":1201,"alone":2,"full":true},)"
    R"({"node":"web-2","received":"2026-11-20T08:00:00Z","calls":1,"known":1201,"alone":1,"full":false}]})"
    "\n\n";

TEST(ProfilesShown, HaveALineForEachProgram) {
  const std::string text = profiles_as_text(lines, false).value();
  EXPECT_THAT(text, HasSubstr("2026-01-02"));
  EXPECT_THAT(text, HasSubstr("1,200"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(profiles_as_text("", false).value(), HasSubstr("no profiles"));
}

TEST(ProfilesShown, TellEachNodesPart) {
  const std::string text = programs_as_text(lines, 1'795'165'200'000'000'000, false).value();
  EXPECT_THAT(text, HasSubstr("1,200 sequences of calls that at least 2 nodes know, 3 that fewer do"));
  EXPECT_THAT(text, HasSubstr("web-2"));
  EXPECT_THAT(text, HasSubstr("full"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
}

TEST(ProfilesShown, SayWhatIsWrongWithTheAnswer) {
  for (const char* wrong : {"[]", "{}", "{\"nodes\":1}", "x"}) {
    EXPECT_FALSE(profiles_as_text(wrong, false).ok()) << wrong;
    EXPECT_FALSE(programs_as_text(wrong, 0, false).ok()) << wrong;
  }
  EXPECT_EQ(profiles_as_text("{\"error\":\"no index\"}", false).error().message, "no index");
}

TEST(ProfilesOptions, AreReadForEachSubcommand) {
  const auto options = [](std::vector<std::string> arguments) {
    return std::get<ProfilesOptions>(std::get<Invocation>(parse_options(std::move(arguments))).command);
  };
  EXPECT_EQ(options({"profiles", "list"}).what, ProfilesOptions::What::list);
  const auto shown = options({"profiles", "show", "/usr/bin/x", "--min-nodes", "3"});
  EXPECT_EQ(shown.what, ProfilesOptions::What::show);
  EXPECT_EQ(shown.path, "/usr/bin/x");
  EXPECT_EQ(shown.min_nodes, 3u);
  const auto file = options({"profiles", "export", "out", "--path", "/usr/*"});
  EXPECT_EQ(file.what, ProfilesOptions::What::export_file);
  EXPECT_EQ(file.file, "out");
  EXPECT_EQ(file.path, "/usr/*");
  EXPECT_EQ(options({"profiles", "send", "web-1", "web-2"}).nodes, (std::vector<std::string>{"web-1", "web-2"}));
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"profiles"}, {"profiles", "export"}, {"profiles", "list", "--min-nodes", "0"}})
    EXPECT_TRUE(std::holds_alternative<Stop>(parse_options(wrong)));
}

}  // namespace
}  // namespace shrike::ctl
