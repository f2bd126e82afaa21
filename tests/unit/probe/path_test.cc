#include "agent/probe/path.h"

#include <gtest/gtest.h>

#include <string>

namespace shrike::probe {
namespace {

std::string joined(std::string_view base, std::string_view path) {
  std::string room(base.size() + path.size() + 2, '?');
  return std::string(absolute_path(base, path, room));
}

TEST(Path, AnAbsolutePathNeedsNoBase) {
  EXPECT_EQ(joined("", "/etc/shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/home", "/etc/shadow"), "/etc/shadow");
  EXPECT_EQ(joined("rubbish", "/"), "/");
}

TEST(Path, ARelativePathIsPutAfterItsBase) {
  EXPECT_EQ(joined("/etc", "shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/", "etc/shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/etc/", "shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/a//b/./c/..", "d"), "/a/b/d");
}

TEST(Path, DotsAndDoubledSlashesAreResolvedAsText) {
  EXPECT_EQ(joined("", "//etc///shadow"), "/etc/shadow");
  EXPECT_EQ(joined("", "/etc/./shadow/."), "/etc/shadow");
  EXPECT_EQ(joined("", "/etc/ssh/../shadow"), "/etc/shadow");
  EXPECT_EQ(joined("", "/../../etc/shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/var/tmp", "../../etc/shadow"), "/etc/shadow");
  EXPECT_EQ(joined("/var", "../../../.."), "/");
  EXPECT_EQ(joined("", "/etc/"), "/etc");
  EXPECT_EQ(joined("", "/..a/b../...c"), "/..a/b../...c");
  EXPECT_EQ(joined("", "////"), "/");
}

TEST(Path, AnEmptyPathNamesItsBase) {
  EXPECT_EQ(joined("/srv/www", ""), "/srv/www");
  EXPECT_EQ(joined("", ""), "");
}

TEST(Path, WithoutAnAbsoluteBaseARelativePathHasNone) {
  EXPECT_EQ(joined("", "etc"), "");
  EXPECT_EQ(joined("etc", "shadow"), "");
}

TEST(Path, WhatNeedsNoChangeIsNotCopied) {
  const std::string path = "/usr/lib/x86_64-linux-gnu/libc.so.6";
  EXPECT_EQ(absolute_path("/", path, {}).data(), path.data());
  EXPECT_EQ(absolute_path("/", "x", {}), "") << "no room, no path";
}

}  // namespace
}  // namespace shrike::probe
