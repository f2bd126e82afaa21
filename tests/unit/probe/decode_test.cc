#include "agent/probe/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/unit/probe/make_record.h"

namespace shrike::probe {
namespace {

using test::as_record;
using test::MakeRecord;
using ::testing::HasSubstr;

TEST(Decode, KnowsExactlyTheKindsThatHaveAName) {
  Decoder decoder(0);
  Event event;
  for (unsigned kind = 0; kind < 300; ++kind) {
    const std::string bytes = MakeRecord(kind).bytes();
    const auto named = static_cast<EventKind>(kind);
    EXPECT_EQ(decoder.decode(as_record(bytes), event).ok(), kind_name(named) != "none" && from_kernel(named)) << kind;
  }
}

TEST(Decode, TakesEveryFieldOver) {
  MakeRecord make(SHRIKE_CONNECT);
  auto& r = make.fixed;
  r.flags = SHRIKE_F_COMPAT32;
  r.boot_ns = 5'000;
  r.result = -115;
  r.cpu = 3;
  r.syscall = 362;
  for (unsigned i = 0; i < 6; ++i) r.arg[i] = 100 + i;
  r.task = {.tid = 1,
            .tgid = 2,
            .ppid = 3,
            .session = 4,
            .start_ns = 5,
            .parent_start_ns = 6,
            .uid = 7,
            .gid = 8,
            .euid = 9,
            .egid = 10,
            .suid = 11,
            .sgid = 12,
            .cap_effective = 13,
            .loginuid = 14,
            .audit_session = 15,
            .tty = 16,
            .vpid = 17,
            .cgroup_id = 18,
            .ns_mnt = 19,
            .ns_pid = 20,
            .ns_net = 21,
            .ns_user = 22,
            .ns_uts = 23,
            .ns_ipc = 24,
            .ns_cgroup = 25,
            .exe_dev = 26,
            .exe_inode = 27,
            .comm = {'s', 'h'}};
  r.object = {.inode = 31,
              .ctime_ns = 32,
              .mtime_ns = 33,
              .device = 34,
              .mode = 35,
              .uid = 36,
              .gid = 37,
              .links = 38,
              .fs_magic = 39};
  r.socket = {.local = {127, 0, 0, 1},
              .remote = {10, 0, 0, 2},
              .family = 2,
              .type = 1,
              .protocol = 6,
              .local_port = 4000,
              .remote_port = 443,
              .state = 41,
              .old_state = 42,
              .pad = 0};
  const std::string bytes = make.bytes();
  Decoder decoder(1'000'000);
  Event e;
  ASSERT_TRUE(decoder.decode(as_record(bytes), e).ok());
  EXPECT_EQ(e.kind, EventKind::connect);
  EXPECT_EQ(e.flags, flag_compat32);
  EXPECT_EQ(e.boot_ns, 5'000u);
  EXPECT_EQ(e.time_ns, 1'005'000u);
  EXPECT_EQ(e.result, -115);
  EXPECT_EQ(e.cpu, 3u);
  EXPECT_EQ(e.syscall, 362);
  for (unsigned i = 0; i < 6; ++i) EXPECT_EQ(e.arg[i], 100 + i);
  const Task& t = e.task;
  EXPECT_THAT((std::vector<uint64_t>{
                  t.tid,           t.pid,    t.ppid,   t.session,   t.start_ns, t.parent_start_ns, t.uid,
                  t.gid,           t.euid,   t.egid,   t.suid,      t.sgid,     t.cap_effective,   t.loginuid,
                  t.audit_session, t.tty,    t.vpid,   t.cgroup_id, t.ns_mnt,   t.ns_pid,          t.ns_net,
                  t.ns_user,       t.ns_uts, t.ns_ipc, t.ns_cgroup, t.exe_dev,  t.exe_inode}),
              ::testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                     24, 25, 26, 27));
  EXPECT_EQ(t.name(), "sh");
  const Object& o = e.object;
  EXPECT_THAT(
      (std::vector<uint64_t>{o.inode, o.ctime_ns, o.mtime_ns, o.device, o.mode, o.uid, o.gid, o.links, o.fs_magic}),
      ::testing::ElementsAre(31, 32, 33, 34, 35, 36, 37, 38, 39));
  EXPECT_EQ(e.socket.local[0], 127);
  EXPECT_EQ(e.socket.remote[3], 2);
  EXPECT_EQ(e.socket.family, 2);
  EXPECT_EQ(e.socket.type, 1);
  EXPECT_EQ(e.socket.protocol, 6);
  EXPECT_EQ(e.socket.local_port, 4000);
  EXPECT_EQ(e.socket.remote_port, 443);
  EXPECT_EQ(e.socket.state, 41);
  EXPECT_EQ(e.socket.old_state, 42);
}

TEST(Decode, AnIpv4AddressInAnIpv6SocketIsPlain) {
  MakeRecord make(SHRIKE_CONNECT);
  auto& socket = make.fixed.socket;
  socket.family = 10;
  const __u8 mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2};
  std::memcpy(socket.remote, mapped, sizeof mapped);
  Decoder decoder(0);
  Event event;
  std::string bytes = make.bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.socket.family, 2);
  EXPECT_EQ(event.socket.remote, (std::array<uint8_t, 16>{10, 0, 0, 2}));
  EXPECT_EQ(event.socket.local, (std::array<uint8_t, 16>{}));
  socket.local[0] = 0x20;  // a true IPv6 address at the other end: nothing to unmap
  bytes = make.bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.socket.family, 10);
}

TEST(Decode, NothingOfTheEventBeforeRemains) {
  const std::string first = MakeRecord(SHRIKE_RENAME)
                                .text(SHRIKE_S_PATH, "/a", SHRIKE_SPAN_TRUNCATED)
                                .text(SHRIKE_S_PATH2, "/b")
                                .text(SHRIKE_S_REAL, "/c")
                                .bytes();
  const std::string second = MakeRecord(SHRIKE_EXIT).bytes();
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(first), event).ok());
  EXPECT_TRUE(event.path.truncated);
  EXPECT_EQ(event.full_path2, "/b");
  Process process;
  event.process = event.target = &process;
  ASSERT_TRUE(decoder.decode(as_record(second), event).ok());
  EXPECT_EQ(event.path.text, "");
  EXPECT_FALSE(event.path.truncated);
  EXPECT_EQ(event.full_path, "");
  EXPECT_EQ(event.full_path2, "");
  EXPECT_EQ(event.real_path, "");
  EXPECT_EQ(event.process, nullptr);
  EXPECT_EQ(event.target, nullptr);
}

TEST(Decode, BothPathsOfARenameHaveTheirOwnBase) {
  const std::string bytes = MakeRecord(SHRIKE_RENAME)
                                .text(SHRIKE_S_PATH, "../etc/./passwd")
                                .text(SHRIKE_S_BASE, "/var")
                                .text(SHRIKE_S_PATH2, "x//y")
                                .text(SHRIKE_S_BASE2, "/tmp")
                                .bytes();
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.path.text, "../etc/./passwd");
  EXPECT_EQ(event.full_path, "/etc/passwd");
  EXPECT_EQ(event.path2.text, "x//y");
  EXPECT_EQ(event.full_path2, "/tmp/x/y");
}

TEST(Decode, ExecHasFilenameArgumentsDirectoryAndExecutable) {
  using namespace std::string_literals;
  const std::string bytes = MakeRecord(SHRIKE_EXEC)
                                .text(SHRIKE_S_PATH, "./run.sh", SHRIKE_SPAN_USER)
                                .text(SHRIKE_S_BASE, "/srv")
                                .text(SHRIKE_S_REAL, "/usr/bin/bash")
                                .text(SHRIKE_S_PATH2, "./run.sh\0-x\0../y"s, SHRIKE_SPAN_TRUNCATED)
                                .bytes();
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.full_path, "/srv/run.sh");
  EXPECT_EQ(event.cwd, "/srv");
  EXPECT_EQ(event.real_path, "/usr/bin/bash");
  EXPECT_EQ(event.path2.text, "./run.sh\0-x\0../y"s);
  EXPECT_TRUE(event.path2.truncated);
  EXPECT_EQ(event.full_path2, "") << "arguments are no path";
}

TEST(Decode, AnArgumentThatCouldNotBeReadHasNoFullPath) {
  const std::string bytes =
      MakeRecord(SHRIKE_OPEN).text(SHRIKE_S_PATH, "", SHRIKE_SPAN_FAULT).text(SHRIKE_S_BASE, "/srv").bytes();
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_TRUE(event.path.fault);
  EXPECT_EQ(event.full_path, "");
}

TEST(Decode, AnEmptyPathIsItsBaseOnlyWhenTheCallSucceeded) {
  MakeRecord make(SHRIKE_CHOWN);
  make.text(SHRIKE_S_BASE, "/srv/file");
  Decoder decoder(0);
  Event event;
  std::string bytes = make.bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.full_path, "/srv/file");
  make.fixed.result = -2;
  bytes = make.bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.full_path, "");
}

TEST(Decode, NamesAreNotPaths) {
  const std::string bytes = MakeRecord(SHRIKE_MEMFD).text(SHRIKE_S_PATH, "/not/a/path").bytes();
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.path.text, "/not/a/path");
  EXPECT_EQ(event.full_path, "");
}

TEST(Decode, TheFifthTextGoesWhereTheKindSays) {
  Decoder decoder(0);
  Event event;
  std::string bytes =
      MakeRecord(SHRIKE_TOCTOU).text(SHRIKE_S_PATH, "/tmp/a").text(SHRIKE_S_BASE2, "/etc/shadow").bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.full_path, "/tmp/a");
  EXPECT_EQ(event.path_at_exit, "/etc/shadow");
  MakeRecord unix_socket(SHRIKE_CONNECT);
  unix_socket.fixed.socket.family = 1;
  bytes = unix_socket.text(SHRIKE_S_BASE2, "@abstract").bytes();
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.socket_path, "@abstract");
  EXPECT_EQ(event.full_path2, "");
}

TEST(Decode, RefusesWhatIsNotARecordAndSaysWhy) {
  Decoder decoder(0);
  Event event;
  const auto refusal = [&](std::string_view bytes) {
    const auto result = decoder.decode(as_record(bytes), event);
    return result.ok() ? std::string("accepted") : result.error().message;
  };
  MakeRecord make(SHRIKE_OPEN);
  make.text(SHRIKE_S_PATH, "/etc/shadow");
  const std::string good = make.bytes();
  EXPECT_EQ(refusal(good), "accepted");
  EXPECT_THAT(refusal(""), HasSubstr("0 bytes"));
  EXPECT_THAT(refusal(good.substr(0, sizeof(shrike_record) - 1)), HasSubstr("must be 368"));
  EXPECT_THAT(refusal(good.substr(0, good.size() - 1)), HasSubstr("says it has 379"));
  EXPECT_THAT(refusal(good + "x"), HasSubstr("has 380"));
  EXPECT_THAT(refusal(std::string(SHRIKE_RECORD_MAX + 1, 'x')), HasSubstr("16385 bytes"));
  MakeRecord wrong = make;
  wrong.fixed.kind = 77;
  EXPECT_THAT(refusal(wrong.bytes()), HasSubstr("unknown kind 77"));
  wrong = make;
  wrong.fixed.span[SHRIKE_S_PATH].length += 1;
  EXPECT_THAT(refusal(wrong.bytes()), HasSubstr("text 0 at 368+12"));
  wrong = make;
  wrong.fixed.span[SHRIKE_S_REAL] = {.offset = 0xffff, .length = 0xffff, .flags = 0, .pad = 0};
  EXPECT_THAT(refusal(wrong.bytes()), HasSubstr("text 2"));
  wrong.fixed.span[SHRIKE_S_REAL] = {.offset = 8, .length = 8, .flags = 0, .pad = 0};
  EXPECT_THAT(refusal(wrong.bytes()), HasSubstr("text 2")) << "inside the fixed part";
}

TEST(Decode, TheLongestRecordHasRoom) {
  MakeRecord make(SHRIKE_OPEN);
  make.fixed.result = 3;
  const size_t room = SHRIKE_RECORD_MAX - sizeof(shrike_record);
  make.text(SHRIKE_S_BASE, "/" + std::string(room / 2 - 1, 'b')).text(SHRIKE_S_PATH, std::string(room - room / 2, 'p'));
  const std::string bytes = make.bytes();
  ASSERT_EQ(bytes.size(), static_cast<size_t>(SHRIKE_RECORD_MAX));
  Decoder decoder(0);
  Event event;
  ASSERT_TRUE(decoder.decode(as_record(bytes), event).ok());
  EXPECT_EQ(event.full_path.size(), room + 1);
}

}  // namespace
}  // namespace shrike::probe
