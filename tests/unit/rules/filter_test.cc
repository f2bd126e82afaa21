// What a rule needs of the kernel: never less than what it can match.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "common/base/file.h"
#include "scoring/rules/derive.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

FilterSpec filter_of(const std::string& condition) {
  return RuleSet::compile({{"t", rule_text(condition)}}, nullptr).value().filter();
}
std::vector<std::string> kinds_of(const FilterSpec& filter) {
  std::vector<std::string> names;
  for (size_t k = 0; k < event_kind_count; ++k)
    if (filter.kinds.test(k)) names.emplace_back(kind_name(static_cast<K>(k)));
  return names;
}
using Names = std::vector<std::string>;
constexpr uint32_t r = access_open_read, w = access_open_write, f = access_open_failed;

TEST(Filter, KindsFollowFromTypesKindsAndFields) {
  EXPECT_EQ(kinds_of(filter_of("evt.type=execve")), (Names{"exec", "exec_failed"}));
  EXPECT_EQ(kinds_of(filter_of("evt.kind in (setns, unshare) and proc.name=a")), (Names{"setns", "unshare"}));
  EXPECT_EQ(kinds_of(filter_of("evt.is_open_write=true")), (Names{"open"}));
  EXPECT_EQ(kinds_of(filter_of("evt.type=ptrace or uring.op=openat")), (Names{"ptrace", "uring_op"}));
  EXPECT_EQ(kinds_of(filter_of("evt.type=unlinkat and not evt.kind=toctou")), (Names{"unlink", "rmdir"}));
  EXPECT_EQ(kinds_of(filter_of("evt.num=0")), Names{});
  EXPECT_EQ(kinds_of(filter_of("proc.env=x")), Names{});
  EXPECT_EQ(kinds_of(filter_of("evt.type=socket and evt.dir=>")), Names{});
}

TEST(Filter, FailuresAreLeftOutWhenNoRuleCanUseThem) {
  const auto only = [](const std::string& condition, K kind) {
    return filter_of(condition).success_only.test(static_cast<size_t>(kind));
  };
  EXPECT_TRUE(only("evt.type=setns and evt.failed=false", K::setns));
  EXPECT_TRUE(only("evt.type=setns and evt.rawres >= 0", K::setns));
  EXPECT_TRUE(only("evt.type=setns and evt.rawres in (0, 1)", K::setns));
  EXPECT_TRUE(only("evt.type=setns and evt.res=SUCCESS", K::setns));
  EXPECT_FALSE(only("evt.type=setns", K::setns));
  EXPECT_FALSE(only("evt.type=setns and (evt.failed=false or evt.res=EPERM)", K::setns));
  EXPECT_TRUE(only("evt.type=openat and fd.num>=0 and fd.name=/a", K::open));
  EXPECT_TRUE(only("evt.type=openat and fd.realpath=/a", K::open));
}

TEST(Filter, OneRuleThatNeedsFailuresBringsThemForAll) {
  const std::string text =
      "- rule: A\n  condition: evt.type=setns and evt.failed=false\n  output: o\n  priority: INFO\n"
      "- rule: B\n  condition: evt.type=setns\n  output: o\n  priority: INFO\n"
      "- rule: C\n  condition: evt.type=setns and evt.failed=false\n  output: o\n  priority: INFO\n";
  EXPECT_FALSE(
      RuleSet::compile({{"t", text}}, nullptr).value().filter().success_only.test(static_cast<size_t>(K::setns)));
}

TEST(Filter, PathsBecomePrefixesAndNames) {
  const std::string read = "evt.kind=open and evt.failed=false and evt.is_open_read=true and ";
  const auto prefixes = [&](const std::string& condition) { return filter_of(read + condition).prefixes; };
  using Prefixes = std::map<std::string, uint32_t>;
  EXPECT_EQ(prefixes("fd.name=/etc/shadow"), (Prefixes{{"/etc/shadow", r}}));
  EXPECT_EQ(prefixes("fd.realpath in (/a/b, /c)"), (Prefixes{{"/a/b", r}, {"/c", r}}));
  EXPECT_EQ(prefixes("fd.name startswith /root/.ss"), (Prefixes{{"/root/.ss", r}}));
  EXPECT_EQ(prefixes("fd.name pmatch (/var/run/, /etc)"), (Prefixes{{"/var/run", r}, {"/etc", r}}));
  EXPECT_EQ(prefixes("fd.directory in (/etc/pam.d, /)"), (Prefixes{{"/etc/pam.d/", r}, {"/", r}}));
  EXPECT_EQ(prefixes("fd.name glob '/proc/[0-9]*'"), (Prefixes{{"/proc/", r}}));

  const auto names = [&](const std::string& condition) { return filter_of(read + condition).names; };
  const auto last = [](uint32_t access) { return FilterSpec::Name{0, access}; };
  const auto any = [](uint32_t access) { return FilterSpec::Name{access, 0}; };
  const auto same = [](const std::map<std::string, FilterSpec::Name>& a,
                       const std::map<std::string, FilterSpec::Name>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.first == y.first && x.second.any == y.second.any && x.second.last == y.second.last;
    });
  };
  EXPECT_TRUE(same(names("fd.name endswith /authorized_keys"), {{"authorized_keys", last(r)}}));
  EXPECT_TRUE(same(names("fd.filename in (id_rsa, id_dsa)"), {{"id_rsa", last(r)}, {"id_dsa", last(r)}}));
  EXPECT_TRUE(same(names("fd.name contains /.ssh/"), {{".ssh", any(r)}}));
  EXPECT_TRUE(same(names("fd.name glob /home/*/.ssh/*"), {{".ssh", any(r)}}));
  EXPECT_TRUE(same(names("fd.name contains /x and fd.name endswith /.ssh/id"), {{".ssh", any(r)}}));
}

TEST(Filter, AsksForEveryPathOnlyWhenNothingCanBeSaid) {
  const std::string open = "evt.kind=open and evt.failed=false and ";
  EXPECT_EQ(filter_of(open + "fd.name contains id_rsa").any_path, r | w);
  EXPECT_EQ(filter_of(open + "fd.name endswith release_agent and evt.is_open_write=true").any_path, w);
  EXPECT_EQ(filter_of(open + "not fd.name=/a").any_path, r | w);
  EXPECT_EQ(filter_of(open + "fd.name != /a").any_path, r | w);
  EXPECT_EQ(filter_of(open + "tolower(fd.name)=/a").any_path, r | w);
  EXPECT_EQ(filter_of(open + "(fd.name=/a or proc.name=b)").any_path, r | w);
  EXPECT_EQ(filter_of(open + "fd.name regex '/a.*'").any_path, r | w);
  EXPECT_EQ(filter_of(open + "(fd.name=/a or proc.name=b) and fd.name startswith /c").any_path, 0u);
  EXPECT_EQ(filter_of(open + "fd.filename=" + std::string(33, 'x')).any_path, r | w);
  EXPECT_EQ(filter_of("evt.kind=open and evt.failed=true").any_path, f);
}

TEST(Filter, AccessFollowsFromWhatIsDone) {
  const auto access = [](const std::string& condition) {
    return filter_of(condition + " and fs.path.name=/a").prefixes["/a"];
  };
  EXPECT_EQ(access("evt.is_open_read=true and evt.failed=false"), r);
  EXPECT_EQ(access("evt.is_open_write=true and evt.failed=false"), w);
  EXPECT_EQ(access("evt.is_open_write=true"), w | f);
  EXPECT_EQ(access("evt.kind=open and fd.num=-1"), f);
  EXPECT_EQ(access("evt.kind in (unlink, chmod)"), uint32_t{access_unlink | access_chmod});
}

// --- random rules and random events ---

const std::vector<std::string>& leaves() {
  static const std::vector<std::string> all{"evt.kind=open",
                                            "evt.kind in (unlink, rename, symlink)",
                                            "evt.type=openat",
                                            "evt.type in (execve, connect)",
                                            "evt.is_open_read=true",
                                            "evt.is_open_write=true",
                                            "evt.is_open_write=false",
                                            "evt.is_open_create=true",
                                            "evt.failed=false",
                                            "evt.failed=true",
                                            "evt.res=SUCCESS",
                                            "evt.res in (ENOENT, EACCES)",
                                            "evt.res startswith E",
                                            "evt.rawres>=0",
                                            "evt.rawres<0",
                                            "evt.rawres in (0, 3)",
                                            "fd.num>=0",
                                            "fd.num=-1",
                                            "fd.num<100",
                                            "fd.typechar=f",
                                            "fd.type in (file, ipv4)",
                                            "fd.name=/etc/a",
                                            "fd.name in (/etc/a, /b/c)",
                                            "fd.name startswith /b",
                                            "fd.name endswith /c",
                                            "fd.name endswith c",
                                            "fd.name contains /b/",
                                            "fd.name glob '/*/c'",
                                            "fd.name glob '/[a-c]/c*'",
                                            "fd.name pmatch (/etc, /b/c)",
                                            "fd.directory=/b",
                                            "fd.directory in (/, /etc)",
                                            "fd.directory startswith /e",
                                            "fd.filename=c",
                                            "fd.filename in (a, d)",
                                            "fd.realpath=/b/c",
                                            "fd.realpath startswith /etc",
                                            "fd.realfilename=a",
                                            "fd.realdirectory=/etc",
                                            "fd.realpath exists",
                                            "fd.name != /etc/a",
                                            "fs.path.name=/etc/a",
                                            "fs.path.new=/b/c",
                                            "fs.path.target startswith /b/",
                                            "fs.path.source endswith /a",
                                            "evt.arg.path=/etc/a",
                                            "evt.arg.newpath in (/b/c)",
                                            "evt.arg.target=/etc/a",
                                            "evt.arg.flags contains O_TRUNC",
                                            "proc.name=example",
                                            "proc.name=other",
                                            "evt.num=0",
                                            "fd.nameraw=/etc/a",
                                            "fd.name exists",
                                            "tolower(fd.name)=/etc/a",
                                            "evt.arg.linkpath pmatch (/b)"};
  return all;
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(size_t n) { return static_cast<uint32_t>(engine_() % n); }
  template <class T>
  const T& of(const std::vector<T>& all) {
    return all[below(all.size())];
  }
  std::string condition(int depth) {
    const uint32_t what = below(depth <= 0 ? 2 : 6);
    if (what == 0) return "not " + of(leaves());
    if (what <= 2) return of(leaves());
    std::string out = "(";
    const uint32_t n = 2 + below(3);
    for (uint32_t i = 0; i < n; ++i) out += (i == 0 ? "" : what == 3 ? " or " : " and ") + condition(depth - 1);
    return (below(5) == 0 ? "not " : "") + out + ")";
  }

 private:
  std::mt19937 engine_;
};

// A path as given, or one that leads to the other by a link: the kernel tries both.
void make_event(Random& random, Scene& s) {
  static const std::vector<std::string> paths{"/etc/a",   "/b/c",   "/b/d",   "/etc", "/c",
                                              "/etc/x/a", "/b/b/c", "/x/b/y", "/",    "/bc"};
  static const std::vector<uint64_t> flags{O_RDONLY,           O_WRONLY,        O_RDWR, O_WRONLY | O_CREAT | O_TRUNC,
                                           O_RDONLY | O_CREAT, O_RDWR | O_TRUNC};
  if (random.below(3) == 0) s.fails(random.below(2) == 0 ? 2 : 13);
  s.opens(random.of(paths), random.of(flags));
  s.path2(random.of(paths));
  if (s.event.result >= 0 && random.below(3) == 0) s.real(random.of(paths));
  if ((s.event.arg[0] & O_CREAT) != 0 && s.event.result >= 0 && random.below(2) == 0) s.flag(flag_created);
  if (random.below(2) == 0) s.program("/usr/bin/other");
}

TEST(Filter, LetsThroughWhateverARandomRuleMatches) {
  Random random(20261120);
  static const std::vector<K> kinds{K::open,    K::open, K::open,  K::unlink, K::rename,
                                    K::symlink, K::link, K::chmod, K::exec,   K::connect};
  int matches = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string condition = random.condition(3);
    const RuleSet rules = RuleSet::compile({{"t", rule_text(condition)}}, nullptr).value();
    for (int j = 0; j < 60; ++j) {
      Scene s(random.of(kinds));
      make_event(random, s);
      if (fired(rules, s.event).empty()) continue;
      ++matches;
      ASSERT_TRUE(lets_through(rules.filter(), s.event))
          << condition << "\n"
          << kind_name(s.event.kind) << " " << s.event.path.text << " " << s.event.path2.text << " "
          << s.event.real_path << " flags " << s.event.arg[0] << " result " << s.event.result;
    }
  }
  EXPECT_GT(matches, 1000);
}

TEST(Filter, LetsThroughWhateverOurRulesMatch) {
  const std::string file = std::string(SHRIKE_SOURCE_DIR) + "/packaging/config/rules/shrike.yaml";
  const RuleSet rules = RuleSet::compile({{"shrike.yaml", read_file(file).value()}}, nullptr).value();
  std::vector<std::string> paths;
  for (const auto& [prefix, access] : rules.filter().prefixes)
    for (const char* more : {"", "x", "/x", "/a/mem"}) paths.push_back(prefix + more);
  for (const auto& [name, access] : rules.filter().names)
    for (const char* before : {"/", "/home/alice/", "/proc/1/", "/root/.ssh/"}) paths.push_back(before + name);
  static const std::vector<K> kinds{K::open, K::open, K::unlink, K::rename, K::symlink, K::link, K::chmod, K::truncate};
  Random random(7);
  int matches = 0;
  for (int i = 0; i < 60000; ++i) {
    Scene s(random.of(kinds));
    make_event(random, s);
    s.path(random.of(paths)).path2(random.of(paths));
    if (fired(rules, s.event).empty()) continue;
    ++matches;
    ASSERT_TRUE(lets_through(rules.filter(), s.event)) << kind_name(s.event.kind) << " " << s.event.path.text;
  }
  EXPECT_GT(matches, 1000);
}

}  // namespace
}  // namespace shrike::scoring
