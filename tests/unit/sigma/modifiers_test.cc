#include <gtest/gtest.h>

#include "scoring/sigma/pattern.h"
#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

// Whether a rule with this one item fires on the execution of `argv`.
bool runs(const std::string& item, const std::string& exe, std::vector<std::string> arguments) {
  Scene scene(EventKind::exec);
  scene.program(exe, std::move(arguments));
  return fires(rule(selection(item)), scene.event);
}
bool line(const std::string& item, std::vector<std::string> arguments) {
  return runs(item, "/usr/bin/example", std::move(arguments));
}

TEST(SigmaModifiers, WithoutOneTheWholeValueIsComparedAndCaseIsIgnored) {
  EXPECT_TRUE(line("CommandLine: 'example -X One'", {"-x", "oNE"}));
  EXPECT_FALSE(line("CommandLine: 'example -X'", {"-x", "one"}));
  EXPECT_TRUE(line("CommandLine: [nothing, 'example -x one']", {"-x", "one"}));
}

TEST(SigmaModifiers, ContainsStartsAndEndsWith) {
  EXPECT_TRUE(line("CommandLine|contains: ' -X '", {"a", "-x", "b"}));
  EXPECT_FALSE(line("CommandLine|contains: ' -x '", {"a", "-x"}));
  EXPECT_TRUE(line("CommandLine|startswith: 'EXAMPLE a'", {"ab"}));
  EXPECT_FALSE(line("CommandLine|startswith: 'xample'", {"ab"}));
  EXPECT_TRUE(runs("Image|endswith: '/NC'", "/usr/bin/nc", {}));
  EXPECT_FALSE(runs("Image|endswith: '/nc'", "/usr/bin/nc.openbsd", {}));
  EXPECT_TRUE(runs("Image|endswith: ['/nc', '/ncat']", "/usr/bin/ncat", {}));
}

TEST(SigmaModifiers, AllAsksForEveryValue) {
  EXPECT_TRUE(line("CommandLine|contains|all: ['-a', '-b']", {"-b", "-a"}));
  EXPECT_FALSE(line("CommandLine|contains|all: ['-a', '-b']", {"-b"}));
  EXPECT_TRUE(line("CommandLine|contains|all: ['-a', '-b', '-a*-b']", {"-a", "-b"}));
  EXPECT_FALSE(line("CommandLine|all: ['example', 'example -b']", {"-b"}));
}

TEST(SigmaModifiers, WildcardsStandForTextAndCharactersUnlessEscaped) {
  EXPECT_TRUE(line("CommandLine: 'ex*-b*'", {"-a", "-b"}));
  EXPECT_TRUE(line("CommandLine: 'exampl? -b'", {"-b"}));
  EXPECT_FALSE(line("CommandLine: 'exampl? -b'", {"-bb"}));
  EXPECT_TRUE(line("CommandLine|contains: 'a?c'", {"xxABCxx"}));
  EXPECT_TRUE(line("CommandLine|contains: 'a\\*c'", {"a*c"}));
  EXPECT_FALSE(line("CommandLine|contains: 'a\\*c'", {"abc"}));
  EXPECT_TRUE(line("CommandLine|contains: 'a\\?c'", {"a?c"}));
  EXPECT_FALSE(line("CommandLine|contains: 'a\\?c'", {"abc"}));
  EXPECT_TRUE(line("CommandLine|contains: 'a\\\\*c'", {"a\\bbc"}));
  EXPECT_TRUE(line("CommandLine|contains: 'a\\nc'", {"a\\nc"}));
  EXPECT_TRUE(line("CommandLine|contains: '[a]*\\*'", {"[a]b*"}));
  EXPECT_FALSE(line("CommandLine|contains: '[a]*\\*'", {"ab*"}));
  EXPECT_TRUE(line("CommandLine: '*'", {}));
}

TEST(SigmaModifiers, RegularExpressionsMatchAnywhereAndCaseCountsUnlessTold) {
  EXPECT_TRUE(line("CommandLine|re: '\\s-[FTd]\\s'", {"-F", "x"}));
  EXPECT_FALSE(line("CommandLine|re: '\\s-[FTd]\\s'", {"-f", "x"}));
  EXPECT_TRUE(line("CommandLine|re|i: '\\s-[FTd]\\s'", {"-f", "x"}));
  EXPECT_TRUE(line("CommandLine|re|i|m: '^B$'", {"a\nb\nc"}));
  EXPECT_FALSE(line("CommandLine|re: '^b$'", {"a\nb\nc"}));
  EXPECT_TRUE(line("CommandLine|re|s: 'a.b'", {"a\nb"}));
  EXPECT_FALSE(line("CommandLine|re: 'a.b'", {"a\nb"}));
  EXPECT_TRUE(line("CommandLine|re|all: ['a+', 'b+']", {"aabb"}));
  EXPECT_FALSE(line("CommandLine|re|all: ['z+', 'b+']", {"aabb"}));
}

TEST(SigmaModifiers, CasedCounts) {
  EXPECT_TRUE(line("CommandLine|contains|cased: '-F'", {"-F"}));
  EXPECT_FALSE(line("CommandLine|contains|cased: '-F'", {"-f"}));
  EXPECT_FALSE(runs("Image|cased: '/usr/bin/NC'", "/usr/bin/nc", {}));
}

TEST(SigmaModifiers, Base64IsOfTheValue) {
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64(""), "");
  EXPECT_TRUE(line("CommandLine|base64|contains: '/bin/bash'", {"L2Jpbi9iYXNo"}));
}

TEST(SigmaModifiers, Base64OffsetFindsTheValueWhereverItBegins) {
  for (const std::string before : {"", "x", "xy", "xyz"})
    for (const std::string behind : {"", "x", "xy"})
      EXPECT_TRUE(line("CommandLine|base64offset|contains: '/bin/bash'", {base64(before + "/bin/bash" + behind)}))
          << before << "." << behind;
  EXPECT_FALSE(line("CommandLine|base64offset|contains: '/bin/bash'", {base64("/bin/dash")}));
}

TEST(SigmaModifiers, WideIsUtf16BeforeBase64) {
  EXPECT_EQ(utf16("a\u00e9\U0001f600", false), std::string("a\0\xe9\0\x3d\xd8\x00\xde", 8));
  EXPECT_EQ(utf16("a", true), std::string("\0a", 2));
  EXPECT_EQ(utf16("\xff", false), std::string("\xff\0", 2));
  EXPECT_TRUE(line("CommandLine|wide|base64offset|contains: 'ping'", {base64(std::string("p\0i\0n\0g\0", 8))}));
  EXPECT_TRUE(line("CommandLine|utf16le|base64|contains: 'ping'", {base64(std::string("p\0i\0n\0g\0", 8))}));
  EXPECT_TRUE(line("CommandLine|utf16be|base64|contains: 'ping'", {base64(std::string("\0p\0i\0n\0g", 8))}));
  EXPECT_TRUE(line("CommandLine|utf16|base64|contains: 'ping'", {base64(std::string("\xff\xfep\0i\0n\0g\0", 10))}));
}

TEST(SigmaModifiers, WindashTakesEveryDash) {
  for (const std::string dash : {"-", "/", "\u2013", "\u2014", "\u2015"})
    EXPECT_TRUE(line("CommandLine|windash|contains: ' -f '", {dash + "f", "x"})) << dash;
  EXPECT_FALSE(line("CommandLine|windash|contains: ' -f '", {"+f", "x"}));
  EXPECT_TRUE(line("CommandLine|contains|windash: ' a-b -f'", {"a-b", "/f"}));
}

TEST(SigmaModifiers, ExistsAsksWhetherThereIsAValue) {
  Scene scene(EventKind::exec);
  EXPECT_TRUE(fires(rule(selection("CurrentDirectory|exists: false")), scene.event));
  EXPECT_FALSE(fires(rule(selection("CurrentDirectory|exists: true")), scene.event));
  scene.self().cwd = "/tmp";
  EXPECT_FALSE(fires(rule(selection("CurrentDirectory|exists: false")), scene.event));
  EXPECT_TRUE(fires(rule(selection("CurrentDirectory|exists: true")), scene.event));
}

TEST(SigmaModifiers, NumbersAreCompared) {
  Scene scene(EventKind::exec);  // process 200
  EXPECT_TRUE(fires(rule(selection("ProcessId|lt: 201")), scene.event));
  EXPECT_FALSE(fires(rule(selection("ProcessId|lt: 200")), scene.event));
  EXPECT_TRUE(fires(rule(selection("ProcessId|lte: 200")), scene.event));
  EXPECT_TRUE(fires(rule(selection("ProcessId|gt: 199")), scene.event));
  EXPECT_FALSE(fires(rule(selection("ProcessId|gt: 200")), scene.event));
  EXPECT_TRUE(fires(rule(selection("ProcessId|gte: 200")), scene.event));
  EXPECT_TRUE(fires(rule(selection("ProcessId: [1, 200]")), scene.event));
  EXPECT_FALSE(fires(rule(selection("ProcessId: 20")), scene.event));
}

TEST(SigmaModifiers, FieldrefComparesWithAnotherField) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/Bash").child_of("/usr/bin/bash");
  EXPECT_TRUE(fires(rule(selection("Image|fieldref: ParentImage")), scene.event));
  EXPECT_FALSE(fires(rule(selection("Image|cased|fieldref: ParentImage")), scene.event));
  EXPECT_TRUE(fires(rule(selection("Image|fieldref|endswith: ParentCommandLine")), scene.event));
  EXPECT_FALSE(fires(rule(selection("ProcessId|fieldref: ParentProcessId")), scene.event));
  EXPECT_NE(refusal(rule(selection("Image|fieldref: ProcessId"))).find("is of another type"), std::string::npos);
}

TEST(SigmaModifiers, CidrAndAddresses) {
  Scene scene(EventKind::connect);
  scene.tcp({10, 0, 0, 5}, 40000, {192, 168, 7, 9}, 4444);
  const auto net = [&](const std::string& item) {
    return fires(rule(selection(item), "category: network_connection"), scene.event);
  };
  EXPECT_TRUE(net("DestinationIp|cidr: ['172.16.0.0/12', '192.168.0.0/16']"));
  EXPECT_FALSE(net("DestinationIp|cidr: '10.0.0.0/8'"));
  EXPECT_FALSE(net("DestinationIp|cidr: 'fc00::/7'"));
  EXPECT_TRUE(net("DestinationIp: '192.168.7.9'"));
  EXPECT_TRUE(net("DestinationIp|startswith: '192.168.'"));
  EXPECT_FALSE(net("DestinationIp|startswith: '10.'"));
  EXPECT_TRUE(net("SourceIp|startswith: '10.'"));
}

TEST(SigmaModifiers, NullAndEmptyAreWhatIsMissing) {
  Scene scene(EventKind::exec);
  EXPECT_TRUE(fires(rule(selection("CurrentDirectory: null")), scene.event));
  EXPECT_TRUE(fires(rule(selection("CurrentDirectory: ''")), scene.event));
  EXPECT_TRUE(fires(rule(selection("CurrentDirectory: [null, '/x']")), scene.event));
  EXPECT_FALSE(fires(rule(selection("CurrentDirectory: 'null'")), scene.event));
  EXPECT_FALSE(fires(rule(selection("Image: null")), scene.event));
  EXPECT_FALSE(fires(rule(selection("Image: ''")), scene.event));
}

TEST(SigmaModifiers, NeqHoldsOfEverythingElse) {
  EXPECT_TRUE(runs("Image|neq: '/usr/bin/nc'", "/usr/bin/ncat", {}));
  EXPECT_FALSE(runs("Image|neq: '/usr/bin/nc'", "/usr/bin/nc", {}));
}

TEST(SigmaModifiers, WhatIsUnknownOrDoesNotFitIsSaidWithItsKey) {
  const auto why = [](const std::string& item) { return refusal(rule(selection(item))); };
  EXPECT_EQ(why("Image|sounds|like: x"), "unsupported: \"Image|sounds|like\": unknown modifier \"sounds\"");
  EXPECT_EQ(
      why("Image|expand: '%a%'"),
      "unsupported: \"Image|expand\": modifier \"expand\" needs values for placeholders, which Shrike is not given");
  EXPECT_EQ(why("Image|re|contains: x"),
            "unsupported: \"Image|re|contains\": modifier \"contains\" does not go with those before it");
  EXPECT_EQ(why("Image|contains|i: x"), "unsupported: \"Image|contains|i\": modifiers i, m and s belong behind re");
  EXPECT_EQ(why("Image|re: 'a(?=b)'").substr(0, 49), "unsupported: \"Image|re\": wrong regular expression");
  EXPECT_EQ(why("Image|lt: 5"), "unsupported: \"Image|lt\": the field is a text");
  EXPECT_EQ(why("Image|cidr: 10.0.0.0/8"), "unsupported: \"Image|cidr\": the field is a text");
  EXPECT_EQ(why("ProcessId|contains: 5"), "unsupported: \"ProcessId|contains\": the field is a number, \"5\" is none");
  EXPECT_EQ(why("ProcessId: many"), "unsupported: \"ProcessId\": the field is a number, \"many\" is none");
  EXPECT_NE(why("Image|base64|contains: 'a*'").find("takes a plain text"), std::string::npos);
  EXPECT_NE(why("Image|windash|contains: '-a -b -c -d -e -f'").find("more dashes"), std::string::npos);
  EXPECT_EQ(refusal(rule(selection("DestinationIp|cidr: nowhere"), "category: network_connection")),
            "unsupported: \"DestinationIp|cidr\": \"nowhere\" is no address");
}

}  // namespace
}  // namespace shrike::scoring::sigma
