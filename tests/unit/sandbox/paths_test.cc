#include "sandbox/paths.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace shrike::sandbox {
namespace {

struct Kept final : CallSink {
  void call(const Call& call) override { calls.push_back(call); }
  [[nodiscard]] std::string full(TextKind kind = TextKind::full_path) const {
    for (const auto& text : calls.back().texts)
      if (text.kind == kind) return text.text;
    return "none";
  }
  std::vector<Call> calls;
};

Call made(long number, std::array<uint64_t, 6> args, int64_t result, std::vector<std::string> paths = {}) {
  Call call;
  call.number = static_cast<int32_t>(number);
  call.pid = call.tid = 2;
  call.args = args;
  call.result = result;
  TextKind kind = TextKind::path;
  for (auto& path : paths) {
    call.texts.push_back({kind, path});
    kind = TextKind::path2;
  }
  return call;
}

TEST(Paths, AreJoinedWithoutDotsAndDoubledSlashes) {
  EXPECT_EQ(join_path("/tmp", "a"), "/tmp/a");
  EXPECT_EQ(join_path("/tmp", "/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(join_path("/tmp/x", "../../../../etc"), "/etc");
  EXPECT_EQ(join_path("/", ""), "/");
}

TEST(Paths, FollowTheWorkingDirectoryAndDescriptorsOfEachProcess) {
  Kept kept;
  Paths paths(kept, "/tmp");
  const auto at = [](int fd) { return static_cast<uint64_t>(static_cast<int64_t>(fd)); };
  paths.call(made(SYS_openat, {at(AT_FDCWD)}, -2, {"x"}));
  EXPECT_EQ(kept.full(), "/tmp/x");
  paths.call(made(SYS_chdir, {}, 0, {"/var/log"}));
  paths.call(made(SYS_unlink, {}, 0, {"./y"}));
  EXPECT_EQ(kept.full(), "/var/log/y");
  paths.call(made(SYS_chdir, {}, -2, {"/nowhere"}));
  paths.call(made(SYS_unlink, {}, 0, {"y"}));
  EXPECT_EQ(kept.full(), "/var/log/y") << "it failed";
  paths.call(made(SYS_openat, {at(AT_FDCWD)}, 5, {"/home"}));
  paths.call(made(SYS_dup2, {5, 9}, 9));
  paths.call(made(SYS_close, {5}, 0));
  paths.call(made(SYS_renameat, {9, 0, at(AT_FDCWD)}, 0, {"a", "b"}));
  EXPECT_EQ(kept.full(), "/home/a");
  EXPECT_EQ(kept.full(TextKind::full_path2), "/var/log/b");
  paths.call(made(SYS_openat, {5}, -9, {"a"}));
  EXPECT_EQ(kept.full(), "none") << "a descriptor nobody knows";
  paths.call(made(SYS_openat, {5}, 3, {"/abs"}));
  EXPECT_EQ(kept.full(), "/abs");
  Call start;
  start.kind = CallKind::start;
  start.pid = start.tid = 7;
  start.args[0] = 2;
  paths.call(start);
  Call child = made(SYS_mkdirat, {9}, 0, {"new"});
  child.pid = child.tid = 7;
  paths.call(child);
  EXPECT_EQ(kept.full(), "/home/new") << "a child has its parent's";
  paths.call(made(SYS_fchdir, {9}, 0));
  paths.call(made(SYS_rmdir, {}, 0, {"z"}));
  EXPECT_EQ(kept.full(), "/home/z");
}

TEST(Paths, ALinksTargetIsText) {
  Kept kept;
  Paths paths(kept, "/tmp");
  paths.call(made(SYS_symlink, {}, 0, {"../target", "name"}));
  EXPECT_EQ(kept.full(), "none");
  EXPECT_EQ(kept.full(TextKind::full_path2), "/tmp/name");
}

TEST(Paths, WhatAProgramDoesForEverCostsBoundedMemory) {
  Kept kept;
  Paths paths(kept, "/tmp");
  for (uint32_t pid = 0; pid < 20'000; ++pid) {
    Call call = made(SYS_open, {}, static_cast<int64_t>(pid), {"x"});
    call.pid = call.tid = pid;
    paths.call(call);
    kept.calls.clear();
  }
  for (int64_t fd = 0; fd < 20'000; ++fd) {
    paths.call(made(SYS_open, {}, fd, {"x"}));
    kept.calls.clear();
  }
  SUCCEED();
}

}  // namespace
}  // namespace shrike::sandbox
