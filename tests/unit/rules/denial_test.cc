// Which calls the kernel can refuse for a rule: exactly those that it tells of, or none, with the reason.
#include "scoring/rules/denial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string objects =
    "- objects: secrets\n  paths: [/etc/shadow, /etc/keys/*_key]\n"
    "- objects: jobs\n  paths: [/etc/cron.d]\n"
    "- objects: logins\n  paths: [/usr/bin/login]\n"
    "- objects: miners\n  paths: [/usr/bin/miner]\n";
constexpr uint32_t secrets = 1u << 0, jobs = 1u << 1, logins = 1u << 2, miners = 1u << 3;

std::string name_of_rule() {
  const std::string text = rule_text("evt.kind=open");
  const size_t at = text.find("rule: ") + 6;
  return text.substr(at, text.find('\n', at) - at);
}
Result<std::vector<Denial>> denials(const std::string& condition) {
  auto rules = RuleSet::compile({{"t.yaml", rule_text(condition, objects)}}, nullptr);
  if (!rules) return rules.error();
  return rules->denials(name_of_rule());
}
std::string refusal(const std::string& condition) {
  const auto made = denials(condition);
  return made.ok() ? "" : made.error().message;
}

TEST(Denials, OpensOfNamedFilesByHowTheyAreOpened) {
  const auto any = denials("evt.kind=open and fd.object=secrets");
  ASSERT_TRUE(any.ok()) << any.error().message;
  ASSERT_THAT(*any, SizeIs(1));
  EXPECT_EQ((*any)[0].sets, secrets);
  EXPECT_EQ((*any)[0].opens, 0b1111);
  EXPECT_EQ((*any)[0].access, 0u);
  EXPECT_FALSE((*any)[0].exec);
  EXPECT_EQ((*any)[0].only | (*any)[0].exempt, 0u);
  const auto opens = [](const std::string& more) {
    const auto made = denials("evt.kind=open and evt.failed=false and fd.object in (secrets, jobs)" + more);
    return made.ok() && made->size() == 1 ? (*made)[0].opens : 0;
  };
  EXPECT_EQ(opens(" and evt.is_open_read=true"), 0b0101);
  EXPECT_EQ(opens(" and evt.is_open_write=true"), 0b0110);
  EXPECT_EQ(opens(" and evt.is_open_write=true and not evt.is_open_read=true"), 0b0010);
}

TEST(Denials, ProgramsAreExemptOrMeantByTheirFile) {
  const auto made = denials("evt.kind=open and fd.object=secrets and not proc.exe_object in (logins, miners)");
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_THAT(*made, SizeIs(1));
  EXPECT_EQ((*made)[0].exempt, logins | miners);
  const auto only = denials("evt.kind=open and fd.object=secrets and proc.exe_object=miners");
  ASSERT_TRUE(only.ok()) << only.error().message;
  EXPECT_EQ((*only)[0].only, miners);
  const auto other = denials("evt.kind=open and fd.object=secrets and proc.exe_object != logins");
  ASSERT_TRUE(other.ok()) << other.error().message;
  EXPECT_EQ((*other)[0].exempt, logins);
}

TEST(Denials, ChangesOfOneFileAreOneDenial) {
  const auto made = denials(
      "evt.kind in (open, rename, unlink, chmod) and fd.object=jobs and not evt.is_open_read=true or "
      "evt.kind=link and fd.object=secrets");
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_THAT(*made, SizeIs(2));
  EXPECT_EQ((*made)[0].sets, jobs);
  EXPECT_EQ((*made)[0].opens, 0b1010);
  EXPECT_EQ((*made)[0].access, access_rename | access_unlink | access_chmod);
  EXPECT_EQ((*made)[1].sets, secrets);
  EXPECT_EQ((*made)[1].access, access_link);
}

TEST(Denials, ExecutionsOfNamedPrograms) {
  const auto made = denials("evt.kind=exec and proc.exe_object=miners");
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_THAT(*made, SizeIs(1));
  EXPECT_TRUE((*made)[0].exec);
  EXPECT_EQ((*made)[0].sets, miners);
  EXPECT_EQ((*made)[0].opens | (*made)[0].access | (*made)[0].only, 0u);
}

TEST(Denials, WhatOnlyUserSpaceCanAnswerIsNamed) {
  EXPECT_THAT(refusal("evt.kind=open and fd.object=secrets and not proc.exepath in (/usr/bin/login)"),
              HasSubstr("of events of kind open: the kernel cannot ask \"not proc.exepath in (/usr/bin/login)\""));
  EXPECT_THAT(refusal("evt.kind=open and fd.object=secrets and user.uid=0"), HasSubstr("\"user.uid = 0\""));
  EXPECT_THAT(refusal("evt.kind=open and fd.object=secrets and container.id != host"), HasSubstr("container.id"));
  EXPECT_THAT(refusal("evt.kind=open and fd.name=/etc/shadow"), HasSubstr("fd.name"));
  EXPECT_THAT(refusal("evt.kind=open and (fd.object=secrets or fd.realpath=/etc/other)"), HasSubstr("/etc/other"));
  EXPECT_THAT(refusal("evt.kind=open and not fd.object=secrets"), HasSubstr("fd.object"));
  EXPECT_THAT(refusal("evt.kind=open and fd.object=secrets and fd.object=jobs"), HasSubstr("cannot ask"));
  EXPECT_THAT(refusal("evt.kind=open and proc.exe_object=miners"), HasSubstr("names no file by fd.object"));
  EXPECT_THAT(refusal("evt.kind=exec"), HasSubstr("cannot ask"));
  EXPECT_THAT(refusal("evt.kind=exec and not proc.exe_object=miners"), HasSubstr("proc.exe_object"));
  EXPECT_THAT(refusal("evt.kind=connect and proc.exe_object=miners"),
              HasSubstr("kind connect: it is no call that can be refused"));
  EXPECT_THAT(refusal("evt.kind=open and fd.object=secrets and evt.failed=true"), HasSubstr("no call that succeeds"));
}

TEST(Denials, ARuleThatIsNotLoadedIsSaid) {
  const auto rules = RuleSet::compile({{"t.yaml", rule_text("evt.kind=open", objects)}}, nullptr);
  ASSERT_TRUE(rules.ok());
  EXPECT_THAT(rules->denials("Nobody").error().message, HasSubstr("no rule of that name"));
}

TEST(Denials, ARuleNamesItsPathsToo) {
  // Between a file's replacement and the moment the kernel knows the new one, only the rule tells.
  EXPECT_THAT(refusal("evt.kind=open and (fd.object=secrets or fd.realpath=/etc/shadow)"), IsEmpty());
}

}  // namespace
}  // namespace shrike::scoring
