#include "agent/pipeline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/probe/capture.h"
#include "agent/replay.h"
#include "agent/rules_loader.h"
#include "common/base/file.h"
#include "tests/unit/probe/make_record.h"

namespace shrike::agent {
namespace {

using probe::test::as_record;
using probe::test::MakeRecord;
using namespace std::string_view_literals;

constexpr auto rule_text = R"(
- rule: Shadow read
  desc: reads the shadow file
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/shadow and proc.pname = bash
  output: "shadow read by %proc.name"
  priority: WARNING
)";

scoring::RuleSet rules() {
  auto compiled = scoring::RuleSet::compile({{"r.yaml", rule_text}}, nullptr);
  EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message);
  return std::move(compiled).value();
}

class Kept : public Sink {
 public:
  void event(const Event& event) override {
    ++events;
    if (event.process == nullptr) ++without_process;
  }
  void alert(const Alert& alert) override { alerts.push_back(alert); }
  int events = 0;
  int without_process = 0;
  std::vector<Alert> alerts;
};

void by(MakeRecord& record, uint32_t pid, uint64_t start, uint32_t ppid, uint64_t parent_start, const char* comm) {
  record.fixed.task.tid = record.fixed.task.tgid = record.fixed.task.vpid = pid;
  record.fixed.task.start_ns = start;
  record.fixed.task.ppid = ppid;
  record.fixed.task.parent_start_ns = parent_start;
  std::strncpy(record.fixed.task.comm, comm, sizeof record.fixed.task.comm - 1);
}

std::string task_record() {
  MakeRecord record(SHRIKE_TASK);
  by(record, 10, 5, 1, 1, "bash");
  record.text(SHRIKE_S_REAL, "/bin/bash").text(SHRIKE_S_PATH2, "bash\0-l"sv).text(SHRIKE_S_BASE, "/root");
  record.fixed.boot_ns = 50;
  return record.bytes();
}

std::string open_record(uint64_t at) {
  MakeRecord record(SHRIKE_OPEN);
  by(record, 11, 20, 10, 5, "cat");
  record.text(SHRIKE_S_PATH, "/etc/shadow").text(SHRIKE_S_REAL, "/etc/shadow");
  record.fixed.syscall = 257;
  record.fixed.result = 3;
  record.fixed.boot_ns = at;
  return record.bytes();
}

class PipelineTest : public ::testing::Test {
 protected:
  Pipeline make() {
    PipelineOptions options;
    options.node = "n1";
    options.wall_offset_ns = 1'000'000'000'000;
    options.roots = {.proc = "", .cgroup = "", .etc = ""};
    return Pipeline(std::move(options), rules(), sink);
  }
  Kept sink;
};

TEST_F(PipelineTest, MakesAnAlertOfARecordThatARuleMatches) {
  Pipeline pipeline = make();
  pipeline.feed(as_record(task_record()));
  pipeline.feed(as_record(open_record(100)));
  EXPECT_EQ(sink.events, 2);
  EXPECT_EQ(sink.without_process, 0);
  ASSERT_EQ(sink.alerts.size(), 1u);
  const Alert& alert = sink.alerts[0];
  EXPECT_EQ(alert.rule, "Shadow read");
  EXPECT_EQ(alert.message, "shadow read by cat");
  EXPECT_EQ(alert.node, "n1");
  EXPECT_EQ(alert.process.pid, 11u);
  EXPECT_EQ(alert.ancestors, std::vector<std::string>{"bash"});
  EXPECT_EQ(alert.time_ns, 1'000'000'000'100u);
  EXPECT_EQ(alert.uid.size(), 32u);
}

TEST_F(PipelineTest, CountsWhatItCannotDecodeAndGoesOn) {
  Pipeline pipeline = make();
  pipeline.feed(as_record("garbage"));
  pipeline.feed({});
  pipeline.feed(as_record(std::string(400, '\xff')));
  pipeline.feed(as_record(task_record()));
  EXPECT_EQ(pipeline.counts().undecodable, 3u);
  EXPECT_EQ(pipeline.counts().records, 4u);
  EXPECT_EQ(sink.events, 1);
}

TEST_F(PipelineTest, RepeatsAreCountedAndToldWhenTheSecondIsOver) {
  Pipeline pipeline = make();
  pipeline.feed(as_record(task_record()));
  for (uint64_t i = 0; i < 10; ++i) pipeline.feed(as_record(open_record(100 + i)));
  EXPECT_EQ(sink.alerts.size(), 1u);
  pipeline.tick(1'000'000'000'000 + 2'000'000'000);
  ASSERT_EQ(sink.alerts.size(), 2u);
  EXPECT_EQ(sink.alerts[1].count, 10u);
  EXPECT_EQ(sink.alerts[1].uid, sink.alerts[0].uid);
  EXPECT_EQ(pipeline.counts().suppressed, 9u);
  EXPECT_EQ(sink.events, 11);  // telemetry has every one
}

class FakeHands : public respond::Hands {
 public:
  Result<void> signal(const respond::Target& target, int) override {
    pids.push_back(target.pid);
    return {};
  }
  Result<void> cut(const respond::Target&) override { return {}; }
  Result<void> stop_denying() override { return {}; }
  std::vector<uint32_t> pids;
};

TEST_F(PipelineTest, RespondsAlsoToWhatIsOnlyCountedAndTellsEachAction) {
  Pipeline pipeline = make();
  FakeHands hands;
  respond::Policy policy;
  policy.rules = {{"Shadow read", respond::Action::kill}};
  respond::Responder responder(policy, {}, hands);
  pipeline.set_responder(&responder);
  pipeline.feed(as_record(task_record()));
  for (uint32_t pid = 11; pid < 14; ++pid) {
    MakeRecord record(SHRIKE_OPEN);
    by(record, pid, pid, 10, 5, "cat");
    record.text(SHRIKE_S_PATH, "/etc/shadow").text(SHRIKE_S_REAL, "/etc/shadow");
    record.fixed.syscall = 257;
    record.fixed.result = 3;
    record.fixed.boot_ns = 100 + pid;
    record.fixed.task.exe_inode = 77;
    pipeline.feed(as_record(record.bytes()));
  }
  EXPECT_EQ(hands.pids, (std::vector<uint32_t>{11, 12, 13}));
  std::vector<std::string> rules_told;
  for (const Alert& alert : sink.alerts) rules_told.push_back(alert.rule);
  EXPECT_EQ(rules_told,
            (std::vector<std::string>{"Shadow read", "Response taken", "Response taken", "Response taken"}));
  EXPECT_EQ(sink.alerts[1].source, AlertSource::response);
  EXPECT_NE(sink.alerts[1].uid, sink.alerts[2].uid);
  EXPECT_EQ(sink.alerts[1].node, "n1");
  pipeline.flush();
  EXPECT_EQ(sink.alerts.back().rule, "Shadow read");
  EXPECT_EQ(sink.alerts.back().count, 3u);
}

TEST_F(PipelineTest, WhatWasWithheldIsCountedNotRepeated) {
  Pipeline pipeline = make();
  FakeHands hands;
  respond::Policy policy;
  policy.dry_run = true;
  policy.rules = {{"Shadow read", respond::Action::kill}};
  respond::Responder responder(policy, {}, hands);
  pipeline.set_responder(&responder);
  pipeline.feed(as_record(task_record()));
  for (uint64_t i = 0; i < 100; ++i) pipeline.feed(as_record(open_record(100 + i)));
  EXPECT_EQ(sink.alerts.size(), 2u);
  pipeline.flush();
  ASSERT_EQ(sink.alerts.size(), 4u);
  for (const Alert& alert : {sink.alerts[2], sink.alerts[3]}) {
    EXPECT_EQ(alert.count, 100u);
    EXPECT_EQ(alert.activity, Activity::close);
  }
}

TEST_F(PipelineTest, AnAlertSaysItsTreesRisk) {
  Pipeline pipeline = make();
  pipeline.feed(as_record(task_record()));
  pipeline.feed(as_record(open_record(100)));
  ASSERT_EQ(sink.alerts.size(), 1u);
  EXPECT_DOUBLE_EQ(sink.alerts[0].tree_risk, sink.alerts[0].risk);
  EXPECT_EQ(sink.alerts[0].scores.size(), 1u);
}

TEST_F(PipelineTest, ReplayEqualsLife) {
  Pipeline pipeline = make();
  std::string folder = (std::filesystem::temp_directory_path() / "shrike-replay-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto writer = probe::CaptureWriter::create(
        folder + "/c", {.wall_offset_ns = 1'000'000'000'000, .start_boot_ns = 0, .host = "h", .kernel = "k"});
    ASSERT_TRUE(writer);
    for (const auto& record : {task_record(), open_record(100), open_record(101)}) {
      pipeline.feed(as_record(record));
      ASSERT_TRUE(writer->write(as_record(record)));
    }
  }
  pipeline.flush();
  Kept again;
  ReplayOptions options;
  options.capture = folder + "/c";
  options.node = "n1";
  const auto summary = replay(options, rules(), again);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->damage, "");
  EXPECT_EQ(again.events, 3);
  ASSERT_EQ(again.alerts.size(), sink.alerts.size());
  for (size_t i = 0; i < again.alerts.size(); ++i)
    EXPECT_EQ(alert_to_json(again.alerts[i]), alert_to_json(sink.alerts[i]));
  EXPECT_NE(summary_text(*summary).find("3 records of h"), std::string::npos);
}

TEST(Rules, TheFilterHoldsWhatStateAndSelfWatchNeed) {
  const FilterSpec filter = filter_for(rules(), {EventKind::chmod, EventKind::connect});
  for (const auto kind : {EventKind::fork, EventKind::exec, EventKind::exit, EventKind::bpf, EventKind::signal,
                          EventKind::toctou, EventKind::open, EventKind::chmod, EventKind::connect})
    EXPECT_TRUE(filter.kinds[static_cast<size_t>(kind)]) << kind_name(kind);
  EXPECT_FALSE(filter.kinds[static_cast<size_t>(EventKind::mkdir)]);
  EXPECT_EQ(filter.any_path, access_chmod);
  EXPECT_NE(policy_digest(rules(), filter), policy_digest(rules(), filter_for(rules(), {})));
  EXPECT_EQ(policy_digest(rules(), filter).size(), 32u);
}

TEST_F(PipelineTest, ARefusedCallIsAnEventEachAndOneFinding) {
  Pipeline pipeline = make();
  FakeHands hands;
  respond::Policy policy;
  policy.rules = {{"Shadow read", respond::Action::deny}};
  respond::Responder responder(policy, {}, hands);
  responder.set_denying({.rules = {{denial_number("Shadow read"), "Shadow read"}}, .why_not = {}});
  pipeline.set_responder(&responder);
  pipeline.feed(as_record(task_record()));
  for (uint64_t i = 0; i < 100; ++i) {
    MakeRecord record(SHRIKE_DENIED);
    by(record, 11, 20, 10, 5, "cat");
    record.text(SHRIKE_S_REAL, "/etc/shadow");
    record.fixed.syscall = 257;
    record.fixed.result = -1;
    record.fixed.boot_ns = 100 + i;
    record.fixed.arg[0] = denial_number("Shadow read");
    record.fixed.arg[1] = SHRIKE_TRIED_OPEN;
    record.fixed.arg[2] = 1;
    pipeline.feed(as_record(record.bytes()));
  }
  EXPECT_EQ(sink.events, 101);
  ASSERT_EQ(sink.alerts.size(), 1u);
  EXPECT_EQ(sink.alerts[0].rule, "Call refused");
  EXPECT_EQ(sink.alerts[0].process.pid, 11u);
  EXPECT_NE(sink.alerts[0].message.find("was refused to open /etc/shadow because of \"Shadow read\""),
            std::string::npos)
      << sink.alerts[0].message;
  pipeline.flush();
  EXPECT_EQ(sink.alerts.back().count, 100u);
}

TEST(Rules, ThatCannotBeReadAreNamed) {
  const auto loaded = load_rules({"/nonexistent/r.yaml"}, "");
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("/nonexistent/r.yaml"), std::string::npos);
}

TEST(Rules, AreFalcosAndSigmasFromFilesAndFolders) {
  std::string folder = testing::TempDir() + "rules-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/a.yaml") << "- rule: F\n  desc: d\n  condition: evt.type = execve\n  output: o\n"
                                       "  priority: INFO\n";
  std::ofstream(folder + "/b.yml") << "title: S\nlogsource:\n    category: process_creation\ndetection:\n    s:\n"
                                      "        Image|endswith: /nc\n    condition: s\n";
  const auto loaded = load_rules({folder}, "");
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->rules.size(), 2u);
}

}  // namespace
}  // namespace shrike::agent
