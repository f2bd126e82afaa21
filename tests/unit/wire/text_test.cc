#include "common/wire/text.h"

#include <gtest/gtest.h>

namespace shrike {
namespace {

TEST(Printable, LeavesOrdinaryTextAsItIs) {
  for (const char* text : {"", "/usr/bin/cat", "größe", "文件", "😀", "\u2029", "\u202f", "\u2065", "\u206a", "\ue2aa"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, SpellsOutWhatATerminalObeys) {
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\x7f\xc2\x9b"), "\\x7f\\xc2\\x9b");
  EXPECT_EQ(printable("\xff\xe2\x80"), "\\xff\\xe2\\x80");
}

TEST(Printable, SpellsOutWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(printable("invoice\u202Egpj.exe"), "invoice\\xe2\\x80\\xaegpj.exe");
  for (const char* turn : {"\u202A", "\u202B", "\u202C", "\u202D", "\u202E", "\u2066", "\u2067", "\u2068", "\u2069"}) {
    const std::string out = printable(turn);
    EXPECT_EQ(out.size(), 12u) << out;
    EXPECT_EQ(out.substr(0, 6), "\\xe2\\x") << out;
  }
}

}  // namespace
}  // namespace shrike
