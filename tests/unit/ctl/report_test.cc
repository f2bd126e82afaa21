#include "collector/ctl/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "collector/ctl/batch_stream.h"
#include "collector/ctl/demo_summary.h"
#include "common/base/bytes.h"
#include "tests/unit/ctl/fake_api.h"

namespace shrike::ctl {
namespace {

using collector::Problem;
using collector::Tamper;
using collector::VerifyReport;
using testing::HasSubstr;

VerifyReport good() {
  VerifyReport report;
  report.batches = 34;
  report.events = 12345;
  auto& chain = report.chains[{"web-1", Lane::telemetry}];
  chain.head.seq = 34;
  chain.batches = 34;
  chain.events = 12345;
  chain.boots = 1;
  chain.losses[{"ring_full", "file"}] = 7;
  return report;
}

VerifyReport bad() {
  VerifyReport report = good();
  Problem problem;
  problem.tamper = Tamper::altered;
  problem.node = "web-1";
  problem.lane = Lane::telemetry;
  problem.seq = problem.last_seq = 17;
  problem.sentence = "web-1/telemetry 17: its signature is wrong";
  report.problems.push_back(problem);
  report.problem_count = 120;
  return report;
}

TEST(Report, GivesTheExitCodesOfTheManual) {
  EXPECT_EQ(exit_of(good()), 0);
  EXPECT_EQ(exit_of(bad()), 1);
  EXPECT_EQ(exit_of(VerifyReport{}), 2);
  VerifyReport unknown = good();
  unknown.unknown_nodes.push_back("db-1");
  EXPECT_EQ(exit_of(unknown), 2);
}

TEST(Report, SaysProvenFirstAndShowsTheChains) {
  const auto lines = report_as_text(good(), false);
  EXPECT_EQ(lines[0], "proven: 34 batches, 12,345 events");
  EXPECT_THAT(lines, testing::Contains(HasSubstr("web-1  telemetry")));
}

TEST(Report, NamesTheFirstBadBatchAndEveryFinding) {
  const auto lines = report_as_text(bad(), false);
  EXPECT_EQ(lines[0], "refuted: 34 batches, 12,345 events, 120 findings; first bad batch: web-1/telemetry 17");
  EXPECT_EQ(lines[1], "  altered: web-1/telemetry 17: its signature is wrong");
  EXPECT_EQ(lines[2], "  and 119 more");
}

TEST(Report, NamesTheNodeWithoutAKeyAndTheOptionThatGivesOne) {
  VerifyReport report = good();
  report.unknown_nodes.push_back("db-1");
  report.notes.push_back("0 keys of nodes from /var/lib/x/nodes.toml");
  const auto lines = report_as_text(report, false);
  EXPECT_EQ(lines[0], "could not tell: 34 batches, 12,345 events");
  EXPECT_THAT(lines[1], testing::AllOf(HasSubstr("db-1"), HasSubstr("--keys FILE")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("/var/lib/x/nodes.toml")));
  EXPECT_EQ(nlohmann::json::parse(report_as_json(report))["notes"].size(), 1u);
}

TEST(Report, AsJsonHoldsTheSame) {
  const auto json = nlohmann::json::parse(report_as_json(bad()));
  EXPECT_EQ(json["outcome"], "refuted");
  EXPECT_EQ(json["problem_count"], 120);
  EXPECT_EQ(json["problems"][0]["seq"], 17);
  EXPECT_EQ(json["problems"][0]["tamper"], "altered");
  EXPECT_EQ(json["chains"][0]["losses"][0]["count"], 7);
  EXPECT_EQ(nlohmann::json::parse(report_as_json(VerifyReport{}))["outcome"], "unknown");
}

TEST(Summary, CountsThisRunOnly) {
  DemoSummary summary;
  summary.ran = std::chrono::seconds(10);
  summary.agent_cpu = std::chrono::milliseconds(140);
  summary.alerts = {{"critical", 1}, {"high", 2}};
  add_evidence(summary, good(), 12000, 30, {{{"ring_full", "file"}, 5}});
  EXPECT_EQ(summary.events, 345u);
  EXPECT_EQ(summary.batches, 4u);
  EXPECT_EQ(summary.lost, (Losses{{{"ring_full", "file"}, 2}}));
  const auto lines = summary_as_text(summary, false);
  EXPECT_THAT(lines, testing::Contains(HasSubstr("lost      2: ring_full/file 2")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("alerts    3 (1 critical, 2 high)")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("1.4 % of one core")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("evidence  proven")));
  const auto json = nlohmann::json::parse(summary_as_json(summary))["summary"];
  EXPECT_EQ(json["events"], 345);
  EXPECT_EQ(json["lost"], 2);
  EXPECT_EQ(json["alerts"], 3);
  EXPECT_EQ(json["evidence"], "proven");
}

TEST(Pieces, AreCutWhereverTheyAreBroken) {
  std::string stream;
  for (const std::string piece : {"one", "", "three"}) {
    char head[4];
    store_le(head, static_cast<uint32_t>(piece.size()));
    stream.append(head, 4).append(piece);
  }
  for (size_t step = 1; step <= stream.size(); ++step) {
    Pieces pieces(100);
    std::vector<std::string> out;
    for (size_t at = 0; at < stream.size(); at += step) {
      ASSERT_TRUE(
          pieces.feed(std::string_view(stream).substr(at, step), [&](std::string p) { out.push_back(p); }).ok());
    }
    EXPECT_THAT(out, testing::ElementsAre("one", "", "three"));
    EXPECT_TRUE(pieces.whole());
  }
  Pieces pieces(100);
  EXPECT_FALSE(pieces.feed(std::string_view("\x65\0\0\0", 4), [](std::string) {}).ok());
}

TEST(BatchStream, TellsATornAnswerFromItsEnd) {
  FakeApi api;
  collector::StoredBatch batch;
  {
    api.answer(200, std::string("\3\0\0\0abc\2\0\0\0de", 13));
    Client client(api.endpoint(""));
    BatchStream stream(client, {});
    EXPECT_TRUE(stream.next(batch).value());
    EXPECT_EQ(batch.bytes, "abc");
    EXPECT_TRUE(stream.next(batch).value());
    EXPECT_EQ(batch.bytes, "de");
    EXPECT_FALSE(stream.next(batch).value());
  }
  {
    api.answer(200, std::string("\3\0\0\0ab", 6));
    Client client(api.endpoint(""));
    BatchStream stream(client, {});
    EXPECT_FALSE(stream.next(batch).ok());
  }
  {
    api.answer(500, R"({"error":"disk"})");
    Client client(api.endpoint(""));
    BatchStream stream(client, {});
    EXPECT_FALSE(stream.next(batch).ok());
  }
  {
    Client client(api.endpoint(""));
    BatchStream abandoned(client, {});
  }
}

}  // namespace
}  // namespace shrike::ctl
