#include "common/wire/alert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/text.h"

namespace shrike {
namespace {
using testing::HasSubstr;
using testing::Not;

Alert sample() {
  Alert alert;
  alert.time_ns = 1795163940123456789;
  alert.node = "web-1";
  alert.rule = "Read of a credential file";
  alert.severity = Severity::high;
  alert.risk = 0.75;
  alert.message = "cat read /etc/shadow";
  alert.attack = {"T1003.008"};
  alert.process = {42,     "cat",   "/usr/bin/cat", "cat /etc/shadow",  "/root", 0,
                   "root", "pts/0", "host",         1795163940000000000};
  alert.ancestors = {"bash", "sshd"};
  alert.fields = {{"fd.name", "/etc/shadow"}, {"a", "b"}};
  alert.evidence = {"alerts", 7, 3, "accepted"};
  alert.uid = "0123abcd";
  alert.tree_risk = 0.875;
  alert.scores = {{"rules", 0.875}};
  alert.priority = "Error";
  alert.tags = {"T1003.008", "filesystem"};
  alert.activity = Activity::update;
  alert.first_time_ns = 1795163930000000000;
  alert.latency_us = 1234;
  return alert;
}

TEST(AlertJson, HasTheContractsKeysInItsOrder) {
  EXPECT_EQ(
      alert_to_json(sample()),
      R"({"time":"2026-11-20T08:39:00.123456789Z","node":"web-1","rule":"Read of a credential file",)"
      R"("source":"falco","severity":"high","risk":0.75,"confidence":1.0,"tree_risk":0.875,)"
      R"("scores":{"rules":0.875},"message":"cat read /etc/shadow","attack":["T1003.008"],)"
      R"("priority":"Error","tags":["T1003.008","filesystem"],"process":{"pid":42,"name":"cat","exe":"/usr/bin/cat",)"
      R"("cmdline":"cat /etc/shadow","cwd":"/root","uid":0,"user":"root","tty":"pts/0","container_id":"host",)"
      R"("start_ns":1795163940000000000},"ancestors":["bash","sshd"],"fields":{"fd.name":"/etc/shadow","a":"b"},)"
      R"("evidence":{"lane":"alerts","seq":7,"index":3,"verdict":"accepted"},"uid":"0123abcd","count":1,)"
      R"("activity":"update","first_time":"2026-11-20T08:38:50.000000000Z",)"
      R"("last_time":"2026-11-20T08:39:00.123456789Z","latency_us":1234})");
}

TEST(AlertJson, EmptyListsStayListsAndObjectsStayObjects) {
  const std::string json = alert_to_json(Alert{});
  EXPECT_THAT(json, HasSubstr(R"("attack":[])"));
  EXPECT_THAT(json, HasSubstr(R"("fields":{})"));
  EXPECT_THAT(json, HasSubstr(R"("ancestors":[])"));
}

TEST(AlertJson, ReadsBackAsItWas) {
  const auto back = alert_from_json(alert_to_json(sample()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, sample());
  Alert extreme = sample();
  extreme.latency_us = -5;
  extreme.source = AlertSource::integrity;
  extreme.severity = Severity::info;
  extreme.process.start_ns = UINT64_MAX;
  extreme.evidence.seq = UINT64_MAX;
  extreme.message = "quote \" backslash \\ newline \n nul \0 end";
  EXPECT_EQ(alert_from_json(alert_to_json(extreme)).value(), extreme);
}

TEST(AlertJson, OneOfAnEarlierVersionIsRead) {
  std::string old = alert_to_json(sample());
  for (const auto& [from, to] :
       {std::pair{R"("tree_risk":)", R"("message":)"}, {R"("activity":)", R"(,"latency_us")"}}) {
    const size_t at = old.find(from);
    old.erase(at - (*to == ',' ? 1 : 0), old.find(to, at) - at + (*to == ',' ? 1 : 0));
  }
  const size_t at = old.find(R"("priority":)");
  old.erase(at, old.find(R"("process":)") - at);
  const auto alert = alert_from_json(old);
  ASSERT_TRUE(alert) << alert.error().message << "\n" << old;
  EXPECT_EQ(alert->activity, Activity::create);
  EXPECT_EQ(alert->first_time_ns, 0u);
  EXPECT_TRUE(alert->scores.empty());
  EXPECT_EQ(alert->rule, sample().rule);
}

TEST(AlertJson, BytesThatAreNotUtf8AreReplaced) {
  Alert alert = sample();
  alert.process.cmdline = "a\xff\xfe z";
  alert.fields = {{"x\xff", "\xc3"}};
  const std::string json = alert_to_json(alert);
  EXPECT_THAT(json, HasSubstr("a\xef\xbf\xbd\xef\xbf\xbd z"));
  EXPECT_THAT(json, Not(HasSubstr("\xff")));
  EXPECT_TRUE(alert_from_json(json));
}

TEST(AlertJson, IsOneLineWhateverTheTextHolds) {
  Alert alert = sample();
  alert.message = "a\nb\r\x1b[2J";
  EXPECT_THAT(alert_to_json(alert), Not(HasSubstr("\n")));
}

TEST(AlertJson, SaysWhichKeyIsMissingOrWrong) {
  EXPECT_THAT(alert_from_json("{").error().message, HasSubstr("not JSON"));
  EXPECT_THAT(alert_from_json("[]").error().message, HasSubstr("not a JSON object"));
  EXPECT_THAT(alert_from_json("{}").error().message, HasSubstr("'time' is missing"));
  const std::string good = alert_to_json(sample());
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    const auto alert = alert_from_json(text);
    return alert ? std::string("accepted") : alert.error().message;
  };
  EXPECT_THAT(changed(R"("pid":42)", R"("pid":-1)"), HasSubstr("'process.pid' has the wrong type"));
  EXPECT_THAT(changed(R"("pid":42)", R"("pid":4294967296)"), HasSubstr("'process.pid' has the wrong type"));
  EXPECT_THAT(changed(R"("index":3)", R"("x":3)"), HasSubstr("'evidence.index' is missing"));
  EXPECT_THAT(changed(R"("source":"falco")", R"("source":"other")"), HasSubstr("'source' is no source"));
  EXPECT_THAT(changed(R"("severity":"high")", R"("severity":7)"), HasSubstr("'severity' has the wrong type"));
  EXPECT_THAT(changed("2026-11-20T08", "2026-13-20T08"), HasSubstr("'time' is not RFC 3339"));
  EXPECT_THAT(changed(R"("activity":"update")", R"("activity":"rest")"), HasSubstr("'activity' is no activity"));
  EXPECT_THAT(changed(R"({"rules":0.875})", R"({"rules":"x"})"), HasSubstr("'scores' holds more"));
  EXPECT_THAT(changed("2026-11-20T08:38:50", "2026-13-20T08:38:50"), HasSubstr("'first_time' is not RFC 3339"));
  EXPECT_THAT(changed(R"(["bash","sshd"])", R"(["bash",1])"), HasSubstr("'ancestors' holds more"));
}

TEST(AlertText, CannotBeMadeToControlATerminal) {
  Alert alert = sample();
  alert.message =
      "a\x1b[2J\n\xc2\x9b"
      "b\xff\xc3\xa4";
  EXPECT_EQ(alert_to_text(alert, false),
            "2026-11-20T08:39:00.123456789Z high     web-1 [Read of a credential file] "
            "a\\x1b[2J\\x0a\\xc2\\x9bb\\xff\xc3\xa4");
  EXPECT_THAT(alert_to_text(alert, true), HasSubstr("\x1b[31mhigh    \x1b[0m"));
}

TEST(Rfc3339, ReadsWhatItWritesAndNothingElse) {
  EXPECT_EQ(rfc3339_ns("2026-11-20T08:39:00.123456789Z"), 1795163940123456789u);
  EXPECT_EQ(rfc3339_ns("2026-11-20T08:39:00Z"), 1795163940000000000u);
  EXPECT_EQ(rfc3339_ns("2026-11-20T08:39:00.5Z"), 1795163940500000000u);
  EXPECT_EQ(rfc3339_ns("1970-01-01T00:00:00Z"), 0u);
  for (const char* bad :
       {"", "Z", "2026-11-20T08:39:00", "2026-11-20 08:39:00Z", "2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z",
        "2026-11-20T08:39:00.Z", "2026-11-20T08:39:00.1234567890Z", "1969-12-31T23:59:59Z", "2026-11-20T08:39:00+00:00",
        "9999-01-01T00:00:00Z", "2026-1x-20T08:39:00Z"})
    EXPECT_FALSE(rfc3339_ns(bad)) << bad;
}

TEST(Names, AreFoundByNameAndByValue) {
  for (const auto severity : {Severity::info, Severity::low, Severity::medium, Severity::high, Severity::critical})
    EXPECT_EQ(severity_named(severity_name(severity)), severity);
  for (const auto source : {AlertSource::falco, AlertSource::sigma, AlertSource::sequence, AlertSource::sandbox,
                            AlertSource::integrity, AlertSource::response})
    EXPECT_EQ(source_named(source_name(source)), source);
  EXPECT_FALSE(severity_named("High"));
  EXPECT_FALSE(source_named(""));
  EXPECT_EQ(severity_name(static_cast<Severity>(9)), "unknown");
}

}  // namespace
}  // namespace shrike
