// Files named as objects: what a rule says of them, asks for, and needs of the kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scoring/rules/derive.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string objects =
    "- list: hashes\n  items: [/etc/shadow, /etc/gshadow]\n"
    "- objects: first\n  paths: [/first]\n"
    "- objects: secrets\n  paths: [hashes, /etc/keys/*_key]\n"
    "- objects: jobs\n  paths: [/etc/cron.d/]\n"
    "- objects: logins\n  paths: [/usr/bin/login]\n";
constexpr uint64_t secrets = 1u << 1, jobs = 1u << 2, logins = 1u << 3;

TEST(Objects, AreFoundByTheirFileWhateverItsNameIs) {
  Scene other(K::open);
  other.reads("/tmp/alias");
  EXPECT_FALSE(holds("fd.object=secrets", other.event, objects));
  other.arg(5, secrets);
  EXPECT_TRUE(holds("fd.object=secrets", other.event, objects));
  EXPECT_TRUE(holds("fd.object in (jobs, secrets)", other.event, objects));
  EXPECT_TRUE(holds("fd.object intersects (jobs, secrets)", other.event, objects));
  EXPECT_TRUE(holds("fd.object exists", other.event, objects));
  EXPECT_FALSE(holds("fd.object=jobs", other.event, objects));
  EXPECT_FALSE(holds("fd.object != secrets", other.event, objects));
  EXPECT_TRUE(holds("fd.object != jobs", other.event, objects));
}

TEST(Objects, AreFoundByTheirNamesTooBecauseTheFileMayJustHaveBeenReplaced) {
  const auto asks = [](const std::string& name, std::string_view path) {
    return holds("fd.object=" + name, Scene(K::open).reads(path).event, objects);
  };
  EXPECT_TRUE(asks("secrets", "/etc/shadow"));
  EXPECT_TRUE(asks("secrets", "/etc/keys/rsa_key"));
  EXPECT_FALSE(asks("secrets", "/etc/shadow-"));
  EXPECT_FALSE(asks("secrets", "/etc/keys/rsa_key.pub"));
  EXPECT_TRUE(asks("jobs", "/etc/cron.d/new/one"));
  EXPECT_FALSE(asks("jobs", "/etc/cron.daily"));
  EXPECT_TRUE(holds("evt.kind=rename and fd.object=secrets", Scene(K::rename).path("/tmp/x").path2("/etc/shadow").event,
                    objects));
}

TEST(Objects, AProgramIsKnownByItsFileOnly) {
  Scene scene(K::open);
  scene.reads("/etc/shadow").program("/usr/bin/login");
  const std::string by_others = "fd.object=secrets and not proc.exe_object=logins";
  EXPECT_TRUE(holds(by_others, scene.event, objects));
  scene.self().exe_objects = logins;
  EXPECT_FALSE(holds(by_others, scene.event, objects));
  EXPECT_TRUE(holds("proc.exe_object in (secrets, logins)", scene.event, objects));
}

TEST(Objects, TellTheKernelWhatIsWantedOfThemAndOfTheirNames) {
  const auto rules = RuleSet::compile(
      {{"t", rule_text("evt.kind=open and evt.is_open_read=true and evt.failed=false and fd.object=secrets "
                       "and not proc.exe_object=logins",
                       objects)}},
      nullptr);
  const FilterSpec& filter = rules.value().filter();
  EXPECT_EQ(filter.any_path, 0u);
  ASSERT_EQ(filter.objects.size(), 2u);
  EXPECT_EQ(filter.objects.at("secrets").sets, secrets);
  EXPECT_EQ(filter.objects.at("secrets").access, access_open_read);
  EXPECT_THAT(filter.objects.at("secrets").paths, ElementsAre("/etc/shadow", "/etc/gshadow", "/etc/keys/*_key"));
  EXPECT_EQ(filter.objects.at("logins").access, 0u);
  EXPECT_EQ(filter.prefixes.at("/etc/shadow"), access_open_read | access_rename | access_link);
  EXPECT_TRUE(filter.kinds.test(static_cast<size_t>(K::rename)));
  EXPECT_TRUE(lets_through(filter, Scene(K::open).reads("/tmp/alias").arg(5, secrets).event));
  EXPECT_FALSE(lets_through(filter, Scene(K::open).reads("/tmp/alias").arg(5, jobs).event));
  EXPECT_FALSE(lets_through(filter, Scene(K::open).opens("/tmp/alias", O_WRONLY).arg(5, secrets).event));
}

TEST(Objects, NobodyAsksForNeedNothing) {
  const auto rules = RuleSet::compile({{"t", rule_text("evt.kind=exec", objects)}}, nullptr);
  EXPECT_TRUE(rules.value().filter().objects.empty());
}

TEST(Objects, CanBeChangedByLaterFiles) {
  const auto changed = [](const std::string& item) {
    return RuleSet::compile({{"a", rule_text("fd.object=secrets", objects)}, {"b", item}}, nullptr)
        .value()
        .filter()
        .objects.at("secrets")
        .paths;
  };
  EXPECT_THAT(changed("- objects: secrets\n  paths: [/new]\n"), ElementsAre("/new"));
  EXPECT_THAT(changed("- objects: secrets\n  paths: [/new]\n  override: {paths: append}\n"),
              ElementsAre("/etc/shadow", "/etc/gshadow", "/etc/keys/*_key", "/new"));
}

TEST(Objects, FaultsAreTold) {
  EXPECT_THAT(compile_error(rule_text("fd.object=none", objects)), HasSubstr("no objects are called \"none\""));
  EXPECT_THAT(compile_error(rule_text("fd.object contains sec", objects)), HasSubstr("compared with names of objects"));
  EXPECT_THAT(compile_error("- objects: a\n  paths: [etc/shadow]\n"), HasSubstr("not an absolute path"));
  EXPECT_THAT(compile_error("- objects: a\n"), HasSubstr("have no paths"));
  EXPECT_THAT(compile_error("- objects: a\n  paths: [/a]\n  append: true\n"), HasSubstr("no objects \"a\" before"));
  std::string many;
  for (int i = 0; i < 33; ++i) many += "- objects: o" + std::to_string(i) + "\n  paths: [/a]\n";
  EXPECT_THAT(compile_error(many), HasSubstr("31 sets"));
}

}  // namespace
}  // namespace shrike::scoring
