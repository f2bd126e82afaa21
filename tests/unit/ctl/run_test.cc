#include "collector/ctl/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/ctl/options.h"

namespace shrike::ctl {
namespace {
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::string joined(const sandbox::Report& report, bool colour = false) {
  std::string out;
  for (const std::string& line : run_report_as_text(report, colour)) out += line + "\n";
  return out;
}

sandbox::Report report() {
  sandbox::Report out;
  out.id = "0123456789abcdef";
  out.status = sandbox::Status::ok;
  out.risk = 0.81;
  out.reasons = {{"Deleted its own program", "high", 0.6, "rm deleted /tmp/t", 2}};
  out.processes = {{2, 0, "/bin/sh", {"sh", "-c", "x"}, 1, 9, 0, 74},
                   {3, 2, "/tmp/t", {"t"}, 2, 8, 7 << 8, 31},
                   {4, 2, "/bin/rm", {"rm", "-f"}, 3, 8, 9, 1}};
  out.connections = {{3, "tcp", "203.0.113.7:443", 120, 0, "GET / HTTP/1.1\r\nHost: x"}};
  out.artefacts = {{"/tmp/x", 2048, std::string(64, 'a')}};
  out.refusals = {{"ptrace", "never allowed", 3}};
  out.trace = "ebpf";
  out.calls = 106;
  out.evidence = "signed by node web-1";
  return out;
}

TEST(RunReport, SaysRiskAndReasonsFirst) {
  const auto lines = run_report_as_text(report(), false);
  EXPECT_THAT(lines[0], HasSubstr("risk 0.81  very risky"));
  EXPECT_THAT(lines[0], HasSubstr("ended with code 0"));
  EXPECT_THAT(lines[1], HasSubstr("high     0.60  Deleted its own program (2 times): rm deleted /tmp/t"));
}

TEST(RunReport, ShowsProcessesAsATreeWithTheirEnds) {
  const std::string text = joined(report());
  EXPECT_THAT(text, HasSubstr("  2 sh -c x  74 calls\n  ├─ 3 t  31 calls, code 7\n  └─ 4 rm -f  1 call, SIGKILL\n"));
}

TEST(RunReport, ShowsConnectionsFilesRefusalsAndEvidence) {
  const std::string text = joined(report());
  EXPECT_THAT(text, HasSubstr("203.0.113.7:443"));
  EXPECT_THAT(text, HasSubstr("by 3, sent 120 B, got 0 B: GET / HTTP/1.1\n")) << "the first line of what it sent";
  EXPECT_THAT(text, HasSubstr("/tmp/x"));
  EXPECT_THAT(text, HasSubstr("2.0 KiB"));
  EXPECT_THAT(text, ContainsRegex("ptrace +3 times +never allowed"));
  EXPECT_THAT(text, HasSubstr("job 0123456789abcdef, signed by node web-1"));
}

TEST(RunReport, WhatWasSaidIsForReading) {
  sandbox::Report one = report();
  one.connections = {{3, "dns", "203.0.113.53:53", 33, 55, std::string("\x12\x34\1\0\0\1", 6), "www.example.com"},
                     {3, "tls", "203.0.113.7:443", 517, 7, "\x16\x03\x01\x02", "www.example.org"},
                     {3, "tcp", "203.0.113.7:99", 4, 0, "\x01\x02\x03"},
                     {3, "http", "203.0.113.7:80", 40, 0, "GET /x HTTP/1.1\r\n", "example.net"},
                     {3, "tcp", "203.0.113.7:22", 0, 0, ""}};
  const std::string text = joined(one);
  for (const char* line : {": asked for www.example.com\n", ": encrypted (TLS), for www.example.org\n",
                           ": bytes that are no text\n", ": example.net: GET /x HTTP/1.1\n", ", nothing was said\n"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(text, Not(HasSubstr("\\x")));
}

TEST(RunReport, AFalseNameIsSaidAndALinkIsNone) {
  sandbox::Report one = report();
  one.processes = {{2, 0, "/usr/bin/dash", {"/bin/sh", "/job/x"}, 1, 9, 0, 1},
                   {3, 2, "/usr/bin/python3.11", {"python3"}, 1, 9, 0, 1},
                   {4, 2, "/usr/bin/sleep", {"[kworker/0:1]", "9"}, 1, 9, 0, 1}};
  const std::string text = joined(one);
  EXPECT_THAT(text, HasSubstr("2 /bin/sh /job/x  1 call"));
  EXPECT_THAT(text, HasSubstr("3 python3  1 call"));
  EXPECT_THAT(text, HasSubstr("4 [kworker/0:1] 9  (really /usr/bin/sleep)  1 call"));
}

TEST(RunReport, NoLineIsWiderThanItsTerminal) {
  sandbox::Report wide = report();
  wide.reasons[0].message = std::string(300, 'm') + " (user=root command=x)";
  wide.processes[1].argv = {std::string(300, 'a')};
  wide.connections[0].first_bytes = std::string(300, 'b');
  wide.artefacts[0].path = "/tmp/" + std::string(300, 'f');
  wide.refusals[0].call = std::string(300, 'c');
  wide.notes = {std::string(300, 'n')};
  wide.program_sha256 = std::string(64, 'd');
  for (const size_t width : {80u, 120u})
    for (const std::string& line : run_report_as_text(wide, false, width))
      EXPECT_LE(display_width(line), width) << line;
}

TEST(RunReport, FitsOneScreenWhateverTheProgramDid) {
  sandbox::Report large = report();
  for (uint32_t i = 0; i < 1000; ++i) {
    large.reasons.push_back({"R" + std::to_string(i), "low", 0.1, std::string(500, 'm'), 1});
    large.processes.push_back({i + 10, i + 9, "/p", {std::string(300, 'a')}, 1, 2, 0, 1});
    large.connections.push_back({1, "tcp", "10.0.0.1:" + std::to_string(i), 1, 1, ""});
    large.artefacts.push_back({"/tmp/" + std::string(300, 'f'), 1, std::string(64, 'b')});
    large.refusals.push_back({std::string(200, 'c'), "never", 1});
  }
  large.processes_dropped = 5;
  const auto lines = run_report_as_text(large, false);
  EXPECT_LE(lines.size(), 60u);
  EXPECT_THAT(joined(large), HasSubstr("more"));
  for (const std::string& line : lines) EXPECT_LE(display_width(line), 140u) << line;
}

TEST(RunReport, WhatTheProgramChoseCannotSpeakToTheTerminal) {
  sandbox::Report evil = report();
  evil.processes[0].argv = {"\033]0;owned\007", "\xff"};
  evil.connections[0].first_bytes = "\033[2J";
  evil.artefacts[0].path = "/tmp/\033[31m";
  evil.reasons[0].message = "\r\033[K";
  evil.refusals[0].call = "\x9b";
  evil.notes = {"\033c"};
  EXPECT_THAT(joined(evil), Not(HasSubstr("\033")));
  EXPECT_THAT(joined(evil), Not(HasSubstr("\r")));
  EXPECT_THAT(joined(evil, true), HasSubstr("\033[1;31m")) << "colours are ours";
}

TEST(RunReport, AProcessThatIsItsOwnParentEndsNothing) {
  sandbox::Report odd = report();
  odd.processes = {{1, 1, "/a", {"a"}, 0, 0, 0, 1}, {2, 3, "/b", {"b"}, 0, 0, 0, 1}, {3, 2, "/c", {"c"}, 0, 0, 0, 1}};
  EXPECT_THAT(joined(odd), HasSubstr("1 a"));
}

TEST(RunReport, AsJsonHasTheOutputToo) {
  const std::string json = run_report_as_json(report(), "out\n", std::string("\xff"));
  EXPECT_THAT(json, HasSubstr(R"("stdout":"out\n")"));
  EXPECT_THAT(json, HasSubstr(R"("risk":0.81)"));
}

TEST(RunOptions, AreReadUpToTheProgram) {
  const auto parsed =
      parse_options({"run", "--backend", "microvm", "--profile", "strict", "--timeout", "5s", "--memory", "64MiB",
                     "--file", "a:/tmp/a", "--file", "b:/tmp/b", "--json", "--", "ls", "-l", "--json"});
  const auto* invocation = std::get_if<Invocation>(&parsed);
  ASSERT_NE(invocation, nullptr) << std::get<Stop>(parsed).text;
  const auto& options = std::get<RunOptions>(invocation->command);
  EXPECT_EQ(options.backend, sandbox::Backend::microvm);
  EXPECT_EQ(options.profile, sandbox::Profile::strict);
  EXPECT_EQ(options.timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.memory_bytes, 64u << 20);
  EXPECT_THAT(options.files, testing::ElementsAre("a:/tmp/a", "b:/tmp/b"));
  EXPECT_THAT(options.command, testing::ElementsAre("ls", "-l", "--json"));
}

TEST(RunOptions, WhatIsWrongIsUsage) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"run"},
                                             {"run", "--backend", "docker", "--", "x"},
                                             {"run", "--file", "x", "--", "x"},
                                             {"run", "--node", "A B", "--", "x"},
                                             {"run", "--timeout", "0s", "--", "x"},
                                             {"run", "--id", "..", "--", "x"}}) {
    const auto parsed = parse_options(wrong);
    ASSERT_TRUE(std::holds_alternative<Stop>(parsed)) << wrong.back();
    EXPECT_EQ(std::get<Stop>(parsed).code, exit_usage);
  }
}

TEST(RunJob, IsReadFromWhatTheOptionsName) {
  RunOptions options;
  options.command = {"sh", "-c", "true"};
  options.files = {"/etc/hostname:/tmp/name"};
  const auto job = make_job(options);
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->job.program, "/job/sh");
  EXPECT_THAT(job->job.arguments, testing::ElementsAre("sh", "-c", "true"));
  ASSERT_EQ(job->job.files.size(), 1u);
  EXPECT_EQ(job->job.files[0].path, "/tmp/name");
  EXPECT_EQ(job->job.id.size(), 16u);
  options.command = {"no-such-program-anywhere"};
  EXPECT_THAT(make_job(options).error().message, HasSubstr("no such program"));
  options.command = {"sh"};
  options.files = {"/no/file:/tmp/x"};
  EXPECT_THAT(make_job(options).error().message, HasSubstr("/no/file"));
}

}  // namespace
}  // namespace shrike::ctl
