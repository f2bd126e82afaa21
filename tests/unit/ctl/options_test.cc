#include "collector/ctl/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace shrike::ctl {
namespace {

using testing::HasSubstr;

template <class T>
T command(std::vector<std::string> arguments) {
  const auto parsed = parse_options(std::move(arguments));
  if (const auto* stop = std::get_if<Stop>(&parsed)) ADD_FAILURE() << stop->text;
  return std::get<T>(std::get<Invocation>(parsed).command);
}

Stop stop_of(std::vector<std::string> arguments) {
  const auto parsed = parse_options(std::move(arguments));
  const auto* stop = std::get_if<Stop>(&parsed);
  if (stop == nullptr) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  return *stop;
}

TEST(Options, TailFollowsAndPrintsTextUnlessToldOtherwise) {
  const auto plain = command<TailOptions>({"tail"});
  EXPECT_TRUE(plain.follow);
  EXPECT_EQ(plain.format, Format::text);
  const auto told = command<TailOptions>({"tail", "--json", "--since", "10m", "--severity", "high", "--node", "web-1",
                                          "--rule", "Read shadow", "--verdicts", "--no-follow"});
  EXPECT_EQ(told.format, Format::json);
  EXPECT_EQ(told.since, "10m");
  EXPECT_EQ(told.severity, "high");
  EXPECT_EQ(told.node, "web-1");
  EXPECT_EQ(told.rule, "Read shadow");
  EXPECT_TRUE(told.verdicts);
  EXPECT_FALSE(told.follow);
  EXPECT_EQ(command<TailOptions>({"tail", "--format", "json"}).format, Format::json);
  EXPECT_EQ(command<TailOptions>({"tail", "--format=text"}).format, Format::text);
}

TEST(Options, AlertsHaveEveryFormatAndTheRestTextAndJson) {
  for (const char* format : {"text", "json", "falco", "ocsf", "ecs", "cef"}) {
    EXPECT_EQ(command<TailOptions>({"tail", "--format", format}).format, format_named(format));
    EXPECT_EQ(command<QueryOptions>({"query", "alerts", "--format", format}).format, format_named(format));
    const bool fits = format_named(format) == Format::text || format_named(format) == Format::json;
    for (const std::vector<std::string>& words : {std::vector<std::string>{"query", "events", "--format", format},
                                                  {"query", "verdicts", "--format", format},
                                                  {"tail", "--verdicts", "--format", format}}) {
      if (fits) {
        EXPECT_TRUE(std::holds_alternative<Invocation>(parse_options(words)));
      } else {
        EXPECT_THAT(stop_of(words).text, HasSubstr("is for alerts"));
      }
    }
  }
  EXPECT_EQ(command<QueryOptions>({"query", "--json"}).format, Format::json);
  EXPECT_THAT(stop_of({"tail", "--format", "xml"}).text, HasSubstr("is no format"));
}

TEST(Options, WrongValuesAreUsageErrorsThatNameThem) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"tail", "--since", "yesterday"},
      {"tail", "--severity", "urgent"},
      {"tail", "--node", "UPPER case"},
      {"query", "--kind", "dance"},
      {"query", "--lane", "fast"},
      {"query", "--pid", "-1"},
      {"query", "everything"},
      {"query", "--proof", "--node", "web-1"},
      {"query", "--seq", "3"},
      {"demo", "--for", "10"},
      {"demo", "--for", "0s"},
      {"demo", "stray"},
      {"rules"},
      {"rules", "check"},
      {"verify", "--state", "a", "--file", "b"},
      {"verify", "--state", "a", "--since", "1h"},
      {"verify", "--file", "b", "--node", "web-1"},
      {"tail", "--color", "sometimes"},
  };
  for (const auto& arguments : wrong) {
    const Stop stop = stop_of(arguments);
    EXPECT_EQ(stop.code, exit_usage) << testing::PrintToString(arguments);
    EXPECT_THAT(stop.text, HasSubstr("shrike: ")) << testing::PrintToString(arguments);
  }
}

TEST(Options, HelpAndVersionEndWell) {
  for (const char* name : {"tail", "query", "nodes", "verify", "status", "demo", "rules"}) {
    const Stop stop = stop_of({name, "--help"});
    EXPECT_EQ(stop.code, exit_ok);
    EXPECT_THAT(stop.text, HasSubstr(name));
  }
  EXPECT_THAT(stop_of({"--help"}).text, HasSubstr("demo"));
  EXPECT_THAT(stop_of({"--version"}).text, HasSubstr("shrike "));
}

TEST(Options, DemoTakesDurationAndSeveralRuleFiles) {
  const auto demo = command<DemoOptions>({"demo", "--for", "1m30s", "--json", "--state", "/x", "--rules", "a.yaml",
                                          "--rules", "b.yaml", "--metrics", "127.0.0.1:9478"});
  EXPECT_EQ(demo.duration, std::chrono::seconds(90));
  EXPECT_TRUE(demo.json);
  EXPECT_EQ(demo.state, "/x");
  EXPECT_THAT(demo.rules, testing::ElementsAre("a.yaml", "b.yaml"));
  EXPECT_EQ(demo.metrics, "127.0.0.1:9478");
  EXPECT_FALSE(command<DemoOptions>({"demo"}).duration.has_value());
}

TEST(Options, ProofNamesAnEvent) {
  const auto query =
      command<QueryOptions>({"query", "--proof", "--node", "web-1", "--lane", "alerts", "--seq", "12", "--index", "3"});
  EXPECT_TRUE(query.proof);
  EXPECT_EQ(query.seq, 12u);
  EXPECT_EQ(query.index, 3u);
}

TEST(Options, ApiComesFromTheEnvironmentAndFlagsWin) {
  setenv("SHRIKE_API", "127.0.0.1:1", 1);
  setenv("SHRIKE_TOKEN_FILE", "/env/token", 1);
  const auto from_environment = std::get<Invocation>(parse_options({"status"}));
  EXPECT_EQ(from_environment.api.address, "127.0.0.1:1");
  EXPECT_EQ(from_environment.api.token_file, "/env/token");
  // Also behind the subcommand.
  const auto from_flags = std::get<Invocation>(parse_options({"status", "--api", "127.0.0.1:2", "--color", "never"}));
  EXPECT_EQ(from_flags.api.address, "127.0.0.1:2");
  EXPECT_EQ(from_flags.colour, Colour::never);
  unsetenv("SHRIKE_API");
  unsetenv("SHRIKE_TOKEN_FILE");
}

}  // namespace
}  // namespace shrike::ctl
