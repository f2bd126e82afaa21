#include "agent/deny_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

scoring::RuleSet rules() {
  return std::move(scoring::RuleSet::compile({{"r.yaml",
                                               "- objects: secrets\n  paths: [/etc/shadow]\n"
                                               "- objects: logins\n  paths: [/usr/bin/login]\n"
                                               "- rule: Secret read\n  desc: d\n  output: o\n  priority: INFO\n"
                                               "  condition: evt.kind=open and fd.object=secrets and not "
                                               "proc.exe_object=logins\n"
                                               "- rule: Secret read by root\n  desc: d\n  output: o\n  priority: INFO\n"
                                               "  condition: evt.kind=open and fd.object=secrets and user.uid=0\n"}},
                                             nullptr))
      .value();
}
respond::Policy deny(const std::vector<std::string>& names) {
  respond::Policy policy;
  for (const auto& name : names) policy.rules[name] = respond::Action::deny;
  policy.rules["Something else"] = respond::Action::kill;
  return policy;
}

TEST(DenyList, HoldsWhatTheKernelCanDecideAndSaysWhyNotTheRest) {
  const auto list = deny_list(deny({"Secret read", "Secret read by root", "Nobody"}), rules());
  ASSERT_EQ(list.denials.size(), 1u);
  EXPECT_EQ(list.denials[0].rule, "Secret read");
  EXPECT_THAT(list.denying.rules, ElementsAre(Pair(denial_number("Secret read"), "Secret read")));
  EXPECT_THAT(list.denying.why_not, ElementsAre(Pair("Nobody", HasSubstr("no rule of that name")),
                                                Pair("Secret read by root", HasSubstr("user.uid"))));
}

TEST(DenyList, GoesToTheKernelWithTheProgramsThatAreSparedWhoKeepTheirSets) {
  const auto set = rules();
  FilterSpec filter = set.filter();
  add_denials(filter, deny_list(deny({"Secret read"}), set), {"/usr/sbin/sshd"});
  EXPECT_TRUE(filter.kinds[static_cast<size_t>(EventKind::denied)]);
  EXPECT_EQ(filter.denials.size(), 1u);
  EXPECT_FALSE(filter.objects.at("secrets").keep);
  EXPECT_TRUE(filter.objects.at("logins").keep);
  const auto& never = filter.objects.at("(never touched)");
  EXPECT_EQ(never.sets, never_denied_set);
  EXPECT_TRUE(never.keep);
  EXPECT_THAT(never.paths, ElementsAre("/usr/sbin/sshd"));
}

TEST(DenyList, WithoutDenyTheKernelIsAskedForNothingMore) {
  const auto set = rules();
  FilterSpec filter = set.filter();
  add_denials(filter, deny_list(deny({}), set), {"/usr/sbin/sshd"});
  EXPECT_FALSE(filter.kinds[static_cast<size_t>(EventKind::denied)]);
  EXPECT_THAT(filter.denials, IsEmpty());
  EXPECT_FALSE(filter.objects.contains("(never touched)"));
}

}  // namespace
}  // namespace shrike::agent
