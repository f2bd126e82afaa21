#include "collector/ctl/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace shrike::ctl {
namespace {

TEST(Table, AlignsColumnsByWhatIsSeen) {
  Table table({"NODE", "EVENTS"});
  table.right(1);
  table.row({"wörld", "7"});
  table.row({"a", "1,234"});
  table.row({"short"});
  EXPECT_THAT(table.lines(false), testing::ElementsAre("NODE   EVENTS", "wörld       7", "a       1,234", "short"));
  EXPECT_EQ(table.lines(true)[0], "\033[1mNODE   EVENTS\033[0m");
}

TEST(Colour, NeedsATerminalAndYieldsToNoColor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_FALSE(use_colour(Colour::automatic, ends[1]));
  EXPECT_TRUE(use_colour(Colour::always, ends[1]));
  EXPECT_FALSE(use_colour(Colour::never, ends[1]));
  close(ends[0]);
  close(ends[1]);
}

TEST(Output, SaysWhenNobodyReadsAnyMore) {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Output out(ends[1]);
  EXPECT_TRUE(out.line("one"));
  char buffer[16];
  EXPECT_EQ(read(ends[0], buffer, sizeof buffer), 4);
  EXPECT_FALSE(out.reader_gone());
  close(ends[0]);
  EXPECT_TRUE(out.reader_gone());
  EXPECT_FALSE(out.line("two"));
  EXPECT_TRUE(out.closed());
  close(ends[1]);
}

}  // namespace
}  // namespace shrike::ctl
