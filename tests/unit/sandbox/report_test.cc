#include "sandbox/report.h"

#include <gtest/gtest.h>

namespace shrike::sandbox {
namespace {

Report some_report() {
  Report r;
  r.id = "job-1";
  r.backend = Backend::microvm;
  r.profile = Profile::strict;
  r.status = Status::violation;
  r.cause = "it called ptrace";
  r.exit_code = -1;
  r.signal = 31;
  r.wall_ns = UINT64_MAX;
  r.calls = 5;
  r.artefacts = {{"/tmp/x", 3, "abc"}};
  r.processes = {{2, 0, "/tmp/p", {"p", "1"}, 5, 9, 256, 7}};
  r.connections = {{2, "tcp", "203.0.113.7:443", 10, 20, std::string("GET \xff\0x", 7), "c2.example"}};
  r.refusals = {{"ptrace", "never allowed", 2}};
  r.steps = {{"clone", 1000}};
  r.reasons = {{"rule", "high", 0.5, "because", 2}};
  r.notes = {"no eBPF"};
  r.risk = 0.75;
  r.trace = "ebpf";
  return r;
}

TEST(SandboxReport, ComesBackFromItsJsonAsItWas) {
  const Report r = some_report();
  const std::string text = report_to_json(r);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto back = report_from_json(text);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(report_to_json(*back), text);
  EXPECT_EQ(back->connections[0].first_bytes, r.connections[0].first_bytes) << "bytes are exact";
  EXPECT_EQ(back->status, Status::violation);
  EXPECT_EQ(back->exit_code, -1);
  EXPECT_EQ(back->wall_ns, UINT64_MAX);
  EXPECT_EQ(back->risk, 0.75);
}

TEST(SandboxReport, ListsAndTextsAreBounded) {
  Report r = some_report();
  r.cause.assign(100'000, 'a');
  r.notes.assign(5000, "note");
  r.artefacts[0].path.assign(10'000, '\xff');
  r.processes[0].argv.assign(5000, "word");
  const auto back = report_from_json(report_to_json(r));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->cause.size(), report_text_max);
  EXPECT_EQ(back->notes.size(), report_list_max);
}

TEST(SandboxReport, TakesAKeyItDoesNotKnowAndNamesOneThatIsMissing) {
  std::string text = report_to_json(some_report());
  text.insert(1, "\"later\":{\"a\":[1]},");
  EXPECT_TRUE(report_from_json(text).ok());
  const auto at = text.find("\"signal\"");
  const auto got = report_from_json(text.replace(at, 8, "\"other_\""));
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.error().message.find("report: signal is missing"), std::string::npos) << got.error().message;
}

TEST(SandboxReport, NamesWhereAnEntryIsWrong) {
  std::string text = report_to_json(some_report());
  const auto at = text.find("\"size_bytes\":3");
  ASSERT_NE(at, std::string::npos);
  const auto got = report_from_json(text.replace(at, 14, "\"size_bytes\":-3"));
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.error().message.find("artefacts[0]: size_bytes"), std::string::npos) << got.error().message;
}

TEST(SandboxReport, FitsAFrameHoweverLongNamesAre) {
  Report r = some_report();
  r.artefacts.assign(2000, {std::string(4096, '\xff'), 1, "hash"});
  r.processes.assign(1000, {2, 0, std::string(4096, '\xff'), {std::string(4096, '\xff')}, 0, 0, 0, 0});
  ASSERT_GT(report_to_json(r).size(), 8u << 20);
  const std::string text = report_to_json(r, 8u << 20);
  EXPECT_LE(text.size(), 8u << 20);
  const auto back = report_from_json(text);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->artefacts.size() + back->artefacts_dropped, 2000u);
  EXPECT_EQ(back->processes.size() + back->processes_dropped, 1000u);
  EXPECT_FALSE(back->artefacts.empty());
}

}  // namespace
}  // namespace shrike::sandbox
