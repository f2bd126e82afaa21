#include "scoring/sequence/trace_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scoring/sequence/call_names.h"

namespace shrike::scoring::sequence {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<std::vector<Trace>> read(std::string_view text, CallNotation notation = CallNotation::numbers,
                                size_t piece = SIZE_MAX) {
  TraceReader reader("file", notation);
  std::vector<Trace> traces;
  while (!text.empty()) {
    std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    while (!part.empty()) {
      auto trace = TRY(reader.next(part));
      if (trace) traces.push_back(std::move(*trace));
    }
  }
  if (auto last = TRY(reader.finish())) traces.push_back(std::move(*last));
  return traces;
}

std::string error(std::string_view text, CallNotation notation = CallNotation::numbers) {
  const auto traces = read(text, notation);
  return traces.ok() ? "no error" : traces.error().message;
}

TEST(TraceReader, ReadsOneTraceALine) {
  const auto traces = read("a/1.txt\t3 4 1023\n\nb\t\nc c\t  0  7 \r\nd\t9").value();
  ASSERT_EQ(traces.size(), 4u);
  EXPECT_EQ(traces[0].name, "a/1.txt");
  EXPECT_THAT(traces[0].calls, ElementsAre(3, 4, 1023));
  EXPECT_EQ(traces[1].name, "b");
  EXPECT_TRUE(traces[1].calls.empty());
  EXPECT_EQ(traces[2].name, "c c");
  EXPECT_THAT(traces[2].calls, ElementsAre(0, 7));
  EXPECT_THAT(traces[3].calls, ElementsAre(9));
}

TEST(TraceReader, ReadsTheSameInPiecesOfAnySize) {
  const std::string text = "one\t1 22 333\r\n\ntwo\t4\nthree\t\nfour\t1000 1";
  const auto whole = read(text).value();
  for (size_t piece = 1; piece < 12; ++piece) {
    const auto parts = read(text, CallNotation::numbers, piece).value();
    ASSERT_EQ(parts.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(parts[i].name, whole[i].name);
      EXPECT_EQ(parts[i].calls, whole[i].calls);
    }
  }
}

TEST(TraceReader, ReadsNames) {
  const auto traces = read("t\tread openat exit_group io_uring_enter\n", CallNotation::names).value();
  EXPECT_THAT(traces.at(0).calls, ElementsAre(0, 257, 231, 426));
}

TEST(TraceReader, SaysWhereALineIsWrong) {
  EXPECT_EQ(error("a\t1\nb 2\n"), "file:2:4: no tab after the name: a line is name, tab, calls");
  EXPECT_EQ(error("a\t1\nb"), "file:2:2: no tab after the name: a line is name, tab, calls");
  EXPECT_EQ(error("\t1 2\n"), "file:1:1: the trace has no name");
  EXPECT_EQ(error("a\t1 x2 3\n"), "file:1:5: 'x2' is no call number");
  EXPECT_EQ(error("a\t1 -2\n"), "file:1:5: '-2' is no call number");
  EXPECT_EQ(error("a\t1 1024\n"), "file:1:5: '1024' is above the highest call number, 1023");
  EXPECT_THAT(error("a\t99999999999999999999999999999999999999999999999999\n"), HasSubstr("above the highest"));
  EXPECT_EQ(error("a\t1\tread\n"), "file:1:5: 'read' is no call number");
  EXPECT_EQ(error("a\tread waitpid\n", CallNotation::names), "file:1:8: 'waitpid' is no system call of x86-64");
  EXPECT_EQ(error("a\tread 3\n", CallNotation::names), "file:1:8: '3' is no system call of x86-64");
  EXPECT_EQ(error(std::string("a\0b\t1\n", 6)), "file:1:2: a control character in the name");
  EXPECT_EQ(error("a\rb\t1\n"), "file:1:2: a carriage return inside a line");
  EXPECT_EQ(error("a\t1 \x1b[31m\n"), "file:1:5: '?[31m' is no call number");
}

TEST(TraceReader, BoundsNamesWordsAndTraces) {
  EXPECT_THAT(error(std::string(5000, 'n') + "\t1\n"), HasSubstr("file:1:4097: the name is longer than 4096 bytes"));
  EXPECT_THAT(error("a\t" + std::string(1 << 20, 'x')), HasSubstr("xxx...' is no call number"));
  TraceReader reader("file");
  std::string_view head = "a\t";
  ASSERT_TRUE(reader.next(head).ok());
  std::string calls;
  for (int i = 0; i < 1 << 16; ++i) calls += "1 ";
  for (size_t i = 0; i < max_trace_calls / (1 << 16); ++i) {
    std::string_view part = calls;
    ASSERT_TRUE(reader.next(part).ok());
  }
  std::string_view more = "1 ";
  const auto full = reader.next(more);
  ASSERT_FALSE(full.ok());
  EXPECT_THAT(full.error().message, HasSubstr("more than 4194304 calls"));
}

TEST(CallNames, AreThoseOfX86) {
  EXPECT_EQ(call_named("read"), Call{0});
  EXPECT_EQ(call_named("execve"), Call{59});
  EXPECT_EQ(call_named("rseq"), Call{334});
  EXPECT_EQ(call_named("pidfd_send_signal"), Call{424});
  EXPECT_EQ(call_named("clone3"), Call{435});
  EXPECT_EQ(call_named("setxattrat"), Call{463});
  EXPECT_FALSE(call_named("socketcall"));
  EXPECT_FALSE(call_named(""));
  EXPECT_EQ(call_name(400), "");
  EXPECT_EQ(call_name(1023), "");
  size_t named = 0;
  for (size_t number = 0; number < call_limit; ++number) {
    const auto name = call_name(static_cast<Call>(number));
    if (name.empty()) continue;
    ++named;
    EXPECT_EQ(call_named(name), static_cast<Call>(number)) << name;
  }
  EXPECT_EQ(named, 381u);
}

}  // namespace
}  // namespace shrike::scoring::sequence
