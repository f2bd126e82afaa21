#include "agent/detonate/detonation.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "scoring/sequence/calibration.h"
#include "tests/unit/detonate/made_calls.h"

namespace shrike::detonate {
namespace {
using test::Call;
using test::CallKind;
using test::TextKind;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

scoring::RuleSet default_rules() {
  const std::string path = SHRIKE_SOURCE_DIR "/packaging/config/rules/shrike.yaml";
  auto rules = scoring::RuleSet::compile({{path, *read_file(path)}}, nullptr);
  EXPECT_TRUE(rules) << rules.error().message;
  return std::move(rules).value();
}

class DetonationTest : public testing::Test, public Sink {
 protected:
  void event(const Event& one) override {
    kinds.push_back(one.kind);
    container_ok = container_ok && one.process != nullptr && one.process->container != nullptr &&
                   one.process->container->id == "0123456789abcdef" && one.process->container->runtime == "shrike";
  }
  void alert(const Alert& one) override { alerts.push_back(one); }

  void give(Call call) { detonation().call(call); }
  void give(long number, std::array<uint64_t, 6> args, int64_t result = 0, test::Texts texts = {}, uint16_t flags = 0) {
    Call call = tell.call(number, args, result, texts);
    call.flags |= flags;
    detonation().call(call);
  }
  sandbox::Report finish(sandbox::Report report = {}) {
    detonation().finish(report);
    return report;
  }
  Detonation& detonation() {
    if (!made) {
      DetonationOptions options;
      options.converter = {.job = "0123456789abcdef", .wall_offset_ns = 0, .uid = 0, .gid = 0};
      options.node = "web-1";
      options.background = background;
      made = std::make_unique<Detonation>(std::move(options), rules, *this);
      made->call(tell.exec("/tmp/program", "program"));
    }
    return *made;
  }
  [[nodiscard]] std::vector<std::string> rules_told() const {
    std::vector<std::string> names;
    for (const Alert& one : alerts)
      if (one.activity == Activity::create) names.push_back(one.rule);
    return names;
  }
  static std::vector<std::string> rules_of(const sandbox::Report& report) {
    std::vector<std::string> names;
    for (const auto& reason : report.reasons) names.push_back(reason.rule);
    return names;
  }

  scoring::RuleSet rules = default_rules();
  std::shared_ptr<scoring::sequence::Profile> background;
  test::Teller tell;
  std::unique_ptr<Detonation> made;
  std::vector<EventKind> kinds;
  std::vector<Alert> alerts;
  bool container_ok = true;
};

TEST_F(DetonationTest, AProgramThatDoesNothingOddHasNoRisk) {
  give(SYS_brk, {});
  give(tell.open("/etc/ld.so.cache", O_RDONLY));
  give(SYS_write, {1, 0, 5}, 5);
  give(tell.exit(1, 0));
  const auto report = finish();
  EXPECT_EQ(report.risk, 0);
  EXPECT_THAT(report.reasons, IsEmpty());
  EXPECT_THAT(alerts, IsEmpty());
  EXPECT_THAT(
      kinds, testing::ElementsAre(EventKind::exec, EventKind::call, EventKind::open, EventKind::call, EventKind::exit));
  EXPECT_TRUE(container_ok);
}

TEST_F(DetonationTest, TheHostsRulesJudgeASandboxedProgramAsOneInAContainer) {
  give(tell.open("/etc/shadow", O_RDONLY));
  finish();
  ASSERT_THAT(rules_told(), Contains("Password hashes read by an unexpected program"));
  const Alert& one = alerts.front();
  EXPECT_EQ(one.source, AlertSource::falco);
  EXPECT_EQ(one.process.container_id, "0123456789ab");
  EXPECT_EQ(one.process.exe, "/tmp/program");
  EXPECT_EQ(one.node, "web-1");
  EXPECT_GT(one.tree_risk, 0);
}

TEST_F(DetonationTest, AReverseShellIsSeen) {
  give(SYS_socket, {AF_INET, SOCK_STREAM, 0}, 3);
  give(SYS_connect, {3}, 0, {{TextKind::address, test::inet("203.0.113.7", 4444)}});
  for (uint64_t fd = 0; fd < 3; ++fd) give(SYS_dup2, {3, fd}, static_cast<int64_t>(fd));
  give(tell.exec("/bin/sh", std::string("sh\0-i", 5)));
  const auto report = finish();
  EXPECT_GT(report.risk, 0.5);
  EXPECT_THAT(rules_of(report), Contains("Tried to reach the network"));
  EXPECT_GE(report.reasons.size(), 2u);
  for (size_t i = 1; i < report.reasons.size(); ++i) EXPECT_GE(report.reasons[i - 1].risk, report.reasons[i].risk);
}

TEST_F(DetonationTest, WhatTheSandboxRefusedSaysWhatItReachedFor) {
  const uint16_t denied = sandbox::call_denied;
  give(SYS_bpf, {0}, -EPERM, {}, denied);
  give(SYS_ptrace, {PTRACE_ATTACH, 77}, -EPERM, {}, denied);
  give(SYS_unshare, {0x10000000}, -EPERM, {}, denied);
  give(SYS_mount, {}, -EPERM, {}, denied);
  give(SYS_ioctl, {0, TIOCSTI}, -EPERM, {}, denied);
  give(SYS_io_uring_setup, {8}, -EPERM, {}, denied);
  give(SYS_open_by_handle_at, {3}, -EPERM, {}, denied);
  give(SYS_socket, {AF_PACKET, SOCK_RAW, 0}, -EPERM, {}, denied);
  give(SYS_socket, {AF_INET, SOCK_RAW, 1}, -EPERM, {}, denied);
  give(SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}, -EPERM, {}, denied);
  Call foreign = tell.call(4, {}, -ENOSYS);
  foreign.abi = sandbox::CallAbi::i386;
  foreign.flags = denied;
  give(foreign);
  const auto report = finish();
  for (const char* rule :
       {"Reached for the kernel", "Reached for another process", "Reached for namespaces", "Reached for mounts",
        "Injected input into its terminal", "Reached for calls that escape tracing", "Reached for the host's files",
        "Reached for raw network access", "Reached for every packet", "Reached for an exotic socket",
        "Used a foreign system call interface"})
    EXPECT_THAT(rules_of(report), Contains(rule));
  EXPECT_GT(report.risk, 0.9);
  const auto injected = std::find_if(alerts.begin(), alerts.end(),
                                     [](const Alert& a) { return a.rule == "Injected input into its terminal"; });
  ASSERT_NE(injected, alerts.end());
  EXPECT_THAT(injected->message, HasSubstr("/tmp/program called ioctl"));
}

TEST_F(DetonationTest, WhatLibrariesAskInPassingIsNoFinding) {
  give(SYS_clone3, {0x1000, 88}, -ENOSYS, {}, sandbox::call_unknown);
  give(SYS_seccomp, {1, 0}, -EPERM, {}, sandbox::call_denied);
  give(SYS_unshare, {0x400}, -EPERM, {}, sandbox::call_denied);  // CLONE_FILES
  give(SYS_ioctl, {1, 0x40049409}, -ENOTTY);
  give(SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, -EAFNOSUPPORT);
  const auto report = finish();
  EXPECT_EQ(report.risk, 0);
  EXPECT_THAT(report.reasons, IsEmpty());
}

TEST_F(DetonationTest, MachineCodeInAnInterpreterIsSeen) {
  give(tell.exec("/usr/bin/python3.11", "python3"));
  give(SYS_mmap, {0, 4096, 7, 0x21, ~0ull}, 0x7f0000000000);
  EXPECT_THAT(rules_of(finish()), Contains("Put machine code into an interpreter"));
}

TEST_F(DetonationTest, ARefusalThatIsRepeatedIsOneFinding) {
  for (int i = 0; i < 1000; ++i) give(SYS_bpf, {0}, -EPERM, {}, sandbox::call_denied);
  const auto report = finish();
  size_t created = 0;
  uint64_t counted = 0;
  for (const Alert& one : alerts) {
    if (one.rule != "Reached for the kernel") continue;
    created += one.activity == Activity::create;
    counted = std::max<uint64_t>(counted, one.count);
  }
  EXPECT_EQ(created, 1u);
  EXPECT_EQ(counted, 1000u);
  EXPECT_EQ(report.reasons.front().count, 1000u);
}

TEST_F(DetonationTest, ADropperIsSeen) {
  give(tell.open("/tmp/stage2", O_WRONLY | O_CREAT));
  give(tell.exec("/tmp/stage2", "stage2"));
  give(SYS_unlink, {}, 0, {{TextKind::path, "/tmp/stage2"}, {TextKind::full_path, "/tmp/stage2"}});
  const auto report = finish();
  EXPECT_THAT(rules_of(report), Contains("Ran a program that it made"));
  EXPECT_THAT(rules_of(report), Contains("Deleted its own program"));
}

TEST_F(DetonationTest, OneThatRewritesManyFilesIsSeenAndOneThatMakesManyIsNot) {
  for (int i = 0; i < 60; ++i) give(tell.open("/tmp/new" + std::to_string(i), O_WRONLY | O_CREAT));
  EXPECT_THAT(rules_of(finish()), Not(Contains("Rewrote many files that it did not make")));
  for (int i = 0; i < 60; ++i) {
    const std::string path = "/home/user/" + std::to_string(i);
    give(SYS_rename, {}, 0,
         {{TextKind::path, path},
          {TextKind::full_path, path},
          {TextKind::path2, path + ".locked"},
          {TextKind::full_path2, path + ".locked"}});
  }
  EXPECT_THAT(rules_of(finish()), Contains("Rewrote many files that it did not make"));
}

TEST_F(DetonationTest, WhatWasCompiledHereIsNoSecondStage) {
  give(tell.exec("/usr/bin/x86_64-linux-gnu-ld.bfd", "ld"));
  give(tell.open("/tmp/a.out", O_RDWR | O_CREAT));
  give(tell.exec("/tmp/a.out", "a.out"));
  give(tell.exec("/usr/bin/rm", "rm"));
  give(SYS_unlink, {}, 0, {{TextKind::path, "/tmp/a.out"}, {TextKind::full_path, "/tmp/a.out"}});
  const auto report = finish();
  EXPECT_THAT(rules_of(report), testing::ElementsAre("Compiled a program and ran it"));
}

TEST_F(DetonationTest, FilesThatAreMovedOrPackedAreNotLost) {
  const auto named = [&](long number, const std::string& from, const std::string& to) {
    give(number, {}, 0,
         {{TextKind::path, from}, {TextKind::full_path, from}, {TextKind::path2, to}, {TextKind::full_path2, to}});
  };
  for (int i = 0; i < 60; ++i) {
    const std::string path = "/home/user/" + std::to_string(i) + ".jpg";
    named(SYS_rename, path, "/home/user/old/" + std::to_string(i) + ".jpg");
    give(tell.open("/home/user/" + std::to_string(i) + ".log.gz", O_WRONLY | O_CREAT));
  }
  EXPECT_EQ(finish().risk, 0);
  for (int i = 0; i < 60; ++i) {
    const std::string path = "/home/user/letter" + std::to_string(i);
    give(tell.open(path + ".locked", O_WRONLY | O_CREAT));
    give(SYS_unlink, {}, 0, {{TextKind::path, path}, {TextKind::full_path, path}});
  }
  EXPECT_THAT(rules_of(finish()), Contains("Rewrote many files that it did not make"));
}

TEST_F(DetonationTest, AScriptThatDeletesItselfIsSeenAndOneDeletedAfterwardsIsNot) {
  give(tell.start(7, 1));
  tell.pid = 7;
  give(tell.exec("/usr/bin/dash", std::string("/bin/sh\0/tmp/configure", 22)));
  give(tell.exit(7, 0));
  tell.pid = 1;
  const auto unlink = [&](const char* path) {
    give(SYS_unlink, {}, 0, {{TextKind::path, path}, {TextKind::full_path, path}});
  };
  unlink("/tmp/configure");
  EXPECT_THAT(rules_of(finish()), IsEmpty());
  give(tell.exec("/usr/bin/dash", std::string("/bin/sh\0-e\0/job/script", 22)));
  unlink("/job/script");
  EXPECT_THAT(rules_of(finish()), Contains("Deleted its own script"));
}

TEST_F(DetonationTest, AShellForSomebodyFarAwayIsSeen) {
  give(tell.exec("/usr/bin/dash", std::string("sh\0script\0", 10)));
  give(tell.exec("/usr/bin/bash", std::string("bash\0-ic\0env", 12)));
  give(tell.exec("/usr/bin/bash", "-bash"));
  EXPECT_THAT(rules_of(finish()), IsEmpty());
  give(tell.exec("/usr/bin/bash", std::string("bash\0-li", 8)));
  give(tell.exec("/usr/bin/dash", "sh"));
  const auto found = rules_of(finish());
  EXPECT_THAT(found, Contains("Started an interactive shell where nobody sits"));
  EXPECT_THAT(found, Contains("Started a shell that takes its commands from a pipe"));
}

TEST_F(DetonationTest, PlacesFromWhichProgramsAreStartedAndCredentialsThatAreNotThereAreSeen) {
  give(tell.open("/root/.netrc", O_RDONLY, -ENOENT));
  EXPECT_THAT(rules_of(finish()), IsEmpty()) << "one alone is a tool's own settings";
  give(tell.open("/root/.kube/config", O_RDONLY, -ENOENT));
  EXPECT_THAT(rules_of(finish()), Contains("Looked for others' credentials"));
  EXPECT_LT(finish().risk, 0.5);
  for (const char* path : {"/home/a/.ssh/id_rsa", "/root/.mozilla/firefox/profiles.ini", "/root/.bitcoin/wallet.dat"})
    give(tell.open(path, O_RDONLY, -ENOENT));
  EXPECT_GT(finish().risk, 0.5) << "five are a hunt";
  give(tell.open("/etc/cron.d/x", O_WRONLY | O_CREAT));
  give(tell.open("/usr/bin/ls", O_WRONLY | O_TRUNC, -EROFS));
  const auto found = rules_of(finish());
  EXPECT_THAT(found, Contains("Arranged to be started again"));
  EXPECT_THAT(found, Contains("Tried to change the system's programs"));
}

TEST_F(DetonationTest, WhatWasSaidToTheNetworkIsJudgedAtTheEnd) {
  give(tell.open("/home/user/letter.txt", O_RDONLY));
  sandbox::Report said;
  said.connections = {{1, "tcp", "203.0.113.1:3333", 90, 0, R"({"id":1,"method":"mining.subscribe"})"},
                      {1, "tcp", "203.0.113.2:6667", 40, 0, "NICK a\r\nUSER b\r\n"},
                      {1, "tcp", "203.0.113.3:80", 900, 0, "POST /up HTTP/1.1\r\n"}};
  for (int i = 0; i < 20; ++i)
    said.connections.push_back(
        {1, "dns", "203.0.113.53:53", 80, 80, "", std::string(40, 'a') + std::to_string(i) + ".example.com"});
  const auto found = rules_of(finish(said));
  for (const char* rule : {"Spoke to a mining pool", "Joined a chat server", "Read a user's files and sent data",
                           "Sent data in questions for names"})
    EXPECT_THAT(found, Contains(rule));
  said.connections = {{1, "tcp", "203.0.113.3:80", 900, 0, "GET /index.html HTTP/1.1\r\n"},
                      {1, "dns", "203.0.113.53:53", 80, 80, "", "www.example.com"}};
  made.reset();
  tell = {};
  give(tell.open("/home/user/letter.txt", O_RDONLY));
  EXPECT_THAT(rules_of(finish(said)), IsEmpty());
}

TEST_F(DetonationTest, ProcessesWithoutEndAreSeen) {
  for (int i = 0; i < 15; ++i) give(SYS_clone, {17}, -EAGAIN);
  EXPECT_THAT(rules_of(finish()), IsEmpty());
  give(SYS_clone, {17}, -EAGAIN);
  EXPECT_THAT(rules_of(finish()), Contains("Asked for processes without end"));
}

TEST_F(DetonationTest, ManyDestinationsAreAScanAndLoopbackIsNone) {
  give(SYS_socket, {AF_INET, SOCK_STREAM, 0}, 3);
  for (int i = 1; i < 40; ++i)
    give(SYS_connect, {3}, -ECONNREFUSED,
         {{TextKind::address, test::inet(("127.0.0." + std::to_string(i)).c_str(), 80)}});
  EXPECT_THAT(rules_of(finish()), Not(Contains("Tried to reach the network")));
  for (int i = 1; i < 40; ++i)
    give(SYS_connect, {3}, -ECONNREFUSED,
         {{TextKind::address, test::inet(("10.0.0." + std::to_string(i)).c_str(), 80)}});
  EXPECT_THAT(rules_of(finish()), Contains("Tried to reach many addresses"));
}

TEST_F(DetonationTest, TheReportsEndAddsReasons) {
  sandbox::Report report;
  report.status = sandbox::Status::violation;
  report.cause = "ptrace is never allowed";
  report.wall_ns = 1'000'000'000;
  report.virtual_ns = 600'000'000'000;
  detonation();
  report = finish(report);
  EXPECT_THAT(rules_of(report), Contains("Ended at a violation of its policy"));
  EXPECT_THAT(rules_of(report), Contains("Waited before it acted"));
}

TEST_F(DetonationTest, HolesInTheNumbersAreCounted) {
  detonation();
  Call call = tell.call(SYS_getpid, {});
  call.seq += 10;
  give(call);
  EXPECT_EQ(made->counts().missing, 10u);
}

TEST_F(DetonationTest, AFloodOfFindingsIsToldInPartAndCountedInFull) {
  for (int i = 0; i < 3000; ++i) {
    // A program of its own each time is a finding of its own.
    give(tell.open("/tmp/p" + std::to_string(i), O_WRONLY | O_CREAT));
    give(tell.exec("/tmp/p" + std::to_string(i), "p"));
    give(SYS_bpf, {0}, -EPERM, {}, sandbox::call_denied);
  }
  const auto report = finish();
  EXPECT_LE(alerts.size(), Detonation::alerts_most);
  uint32_t refused = 0;
  for (const auto& reason : report.reasons)
    if (reason.rule == "Reached for the kernel") refused = reason.count;
  EXPECT_EQ(refused, 3000u);
}

TEST_F(DetonationTest, AnOrderOfCallsUnlikeNormalProgramsIsAReasonWhereABackgroundIsGiven) {
  background = std::make_shared<scoring::sequence::Profile>();
  std::vector<scoring::sequence::Trace> normal;
  for (int i = 0; i < 200; ++i) {
    scoring::sequence::Trace trace;
    for (int k = 0; k < 60 + i % 7; ++k) {
      trace.calls.push_back(SYS_openat);
      trace.calls.push_back(SYS_read);
      trace.calls.push_back(k % (3 + i % 5) == 0 ? SYS_fstat : SYS_write);
      trace.calls.push_back(SYS_close);
    }
    normal.push_back(std::move(trace));
  }
  for (const auto& trace : normal) background->learn(trace.calls);
  background->set_past(background->leave_one_out(normal));
  for (int i = 0; i < 50; ++i)
    for (const long number : {SYS_ptrace, SYS_wait4, SYS_mprotect, SYS_socket, SYS_dup2}) give(number, {}, -1);
  const auto report = finish();
  EXPECT_THAT(rules_of(report), Contains("Unusual system calls"));
  const auto at =
      std::find_if(alerts.begin(), alerts.end(), [](const Alert& a) { return a.source == AlertSource::sequence; });
  ASSERT_NE(at, alerts.end());
  EXPECT_THAT(at->message, HasSubstr("program made 250 calls"));
}

TEST(JobRisk, AddsIndependentCausesAndCountsEachOnce) {
  JobRisk risk;
  Alert one;
  one.rule = "A";
  one.risk = 0.5;
  one.source = AlertSource::falco;
  risk.add(one);
  risk.add(one);
  EXPECT_DOUBLE_EQ(risk.risk(), 0.5);
  Alert two = one;
  two.rule = "B";
  two.source = AlertSource::sandbox;
  risk.add(two);
  EXPECT_DOUBLE_EQ(risk.risk(), 0.75);
  EXPECT_DOUBLE_EQ(two.tree_risk, 0.75);
  EXPECT_THAT(two.scores, testing::UnorderedElementsAre(testing::Pair("rules", 0.5), testing::Pair("sandbox", 0.5)));
  ASSERT_EQ(risk.reasons().size(), 2u);
  EXPECT_EQ(risk.reasons()[0].count, 2u);
}

}  // namespace
}  // namespace shrike::detonate
