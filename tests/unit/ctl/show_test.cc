#include "collector/ctl/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/alert.h"

namespace shrike::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

Alert alert() {
  Alert out;
  out.time_ns = 1'800'000'000'000'000'000;
  out.node = "web-1";
  out.rule = "Read shadow";
  out.message = "evil \033]0;owned\007 name";
  out.uid = "u1";
  out.evidence = {"alerts", 7, 2, "accepted"};
  return out;
}

TEST(Show, AlertGetsItsLatencyAndKeepsEverythingElse) {
  const auto line = alert_as_json(alert_to_json(alert()), 1'800'000'000'005'000'000);
  ASSERT_TRUE(line.ok());
  Alert expected = alert();
  expected.latency_us = 5000;
  EXPECT_EQ(alert_from_json(*line).value(), expected);
  EXPECT_THAT(*line, Not(HasSubstr("\n")));
}

TEST(Show, AnAlertIsShownInEveryFormat) {
  const std::string line = alert_to_json(alert());
  EXPECT_EQ(alert_as(Format::text, line, 0, false).value(), alert_as_text(line, false).value());
  EXPECT_EQ(alert_as(Format::json, line, 7, false).value(), alert_as_json(line, 7).value());
  for (const Format format : {Format::falco, Format::ocsf, Format::ecs, Format::cef}) {
    const auto shown = alert_as(format, line, 0, true);
    ASSERT_TRUE(shown.ok());
    EXPECT_EQ(*shown, format_alert(alert(), format));
    EXPECT_THAT(*shown, Not(HasSubstr("\033")));
    EXPECT_FALSE(alert_as(format, "{}", 0, false).ok());
  }
}

TEST(Show, NothingThatATerminalObeysGetsThrough) {
  EXPECT_THAT(alert_as_text(alert_to_json(alert()), false).value(), Not(HasSubstr("\033")));
  const std::string evil =
      R"({"time":"2026-11-20T08:39:00Z","node":"\u001b[2J","kind":"exec\u0007","verdict":"forged\u001b[m",
    "lane":"\u009b31m","seq":1,"reason":"\u001b","task":{"comm":"a b\u001b","k\u001b":[1,"\u001b"]}})";
  for (const auto& text : {event_as_text(evil, false), verdict_as_text(evil, false)}) {
    ASSERT_TRUE(text.ok());
    EXPECT_THAT(*text, Not(HasSubstr("\033")));
    EXPECT_THAT(*text, Not(HasSubstr("\007")));
    EXPECT_THAT(*text, Not(HasSubstr("\xc2\x9b")));
  }
  EXPECT_THAT(status_as_text(R"({"a\u001b":"\u001b","b":{"c\u0007":[]}})", false).value(), Not(HasSubstr("\033")));
}

TEST(Show, WhatIsNoLineOfTheApiIsAnError) {
  for (const char* line : {"", "null", "[]", "{", "5", "\xff", R"({"time":5})"}) {
    EXPECT_FALSE(alert_as_json(line, 1).ok()) << line;
    EXPECT_FALSE(alert_as_text(line, false).ok()) << line;
  }
  EXPECT_FALSE(event_as_text("[]", false).ok());
  EXPECT_FALSE(verdict_as_text("x", false).ok());
  EXPECT_FALSE(identity_of("7").ok());
  EXPECT_FALSE(nodes_as_text("{}", 0, false).ok());
  EXPECT_FALSE(status_as_text("[]", false).ok());
}

TEST(Show, IdentityTellsAlertsApartAndIgnoresLatency) {
  Alert other = alert();
  const auto key = [](const Alert& a) { return identity_of(alert_to_json(a))->key; };
  other.latency_us = 99;
  EXPECT_EQ(key(other), key(alert()));
  other.evidence.index = 3;
  EXPECT_NE(key(other), key(alert()));
  EXPECT_EQ(identity_of(alert_to_json(alert()))->time_ns, alert().time_ns);
}

TEST(Show, VerdictNamesNodeLaneAndSeq) {
  const auto text =
      verdict_as_text(R"({"time":"2026-11-20T08:39:00.5Z","node":"web-1","boot":"00","lane":"telemetry","seq":12,
    "verdict":"forged","reason":"signature is wrong","events":40})",
                      false);
  EXPECT_EQ(*text, "2026-11-20T08:39:00.5Z forged      web-1/telemetry 12 (40 events): signature is wrong");
}

TEST(Show, EventSaysWhoDidWhatToWhat) {
  const auto shown = [](const std::string& members) {
    return event_as_text(R"({"time":"2026-11-20T08:39:00Z","node":"web-1",)" + members + "}", false).value();
  };
  const std::string head = "2026-11-20T08:39:00Z web-1 ";
  EXPECT_EQ(shown(R"("kind":"open","path":"/a b","result":-2,"task":{"pid":7,"name":"cat"})"),
            head + "open        cat[7] \"/a b\" ENOENT");
  EXPECT_EQ(shown(R"("kind":"exec","path":"ls","argv":["ls","-D\"x\"",""],"task":{"pid":7,"name":"ls"})"),
            head + "exec        ls[7] ls '-D\"x\"' \"\"");
  EXPECT_EQ(shown(R"("kind":"rename","full_path":"/a","path":"a","path2":"b","result":0)"),
            head + "rename      /a -> b");
  EXPECT_EQ(shown(R"("kind":"connect","socket":{"local":"::1","local_port":5,"remote":"10.0.0.1","remote_port":443})"),
            head + "connect     [::1]:5 -> 10.0.0.1:443");
  EXPECT_EQ(event_as_text(alert_to_json(alert()), false).value(), alert_as_text(alert_to_json(alert()), false).value());
}

TEST(Show, NodesAreATableWithStateAndLosses) {
  const auto table = nodes_as_text(R"([
    {"node":"web-1","key":"00112233445566","trusted":"first_use","last_seen":"1970-01-01T00:01:40Z","agent_version":"0.1.0",
     "lanes":{"alerts":{"seq":3,"events":2},"telemetry":{"seq":1200,"events":40000,"dropped_events":5}},
     "losses":[{"cause":"ring_full","class":"file","count":7}]},
    {"node":"db-1","key":"ab","trusted":"keys_file","last_seen":null,"lanes":{},"losses":[]},
    {"node":"x\u001b","trusted":"no","last_seen":"1970-01-01T00:00:01Z"}])",
                                   105'000'000'000, false);
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_THAT(
      *table,
      HasSubstr(
          "web-1  up        5.0 s ago       3      1,200  40,002        5  7 (ring_full/file)  0.1.0    00112233"));
  EXPECT_THAT(*table, HasSubstr("db-1   expected  never"));
  EXPECT_THAT(*table, HasSubstr("x\\x1b  no key"));
  EXPECT_FALSE(nodes_as_text("[5]", 0, false).ok());
}

TEST(Show, StatusReadsByItsUnits) {
  const auto text =
      status_as_text(R"({"version":"0.1.0","up_s":75,"store":{"free_bytes":1536},"batches":1234567})", false);
  EXPECT_THAT(*text, HasSubstr("1m15s"));
  EXPECT_THAT(*text, HasSubstr("store free  1.5 KiB"));
  EXPECT_THAT(*text, HasSubstr("1,234,567"));
}

}  // namespace
}  // namespace shrike::ctl
