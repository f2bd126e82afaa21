// What each log's fields are among our events.

#include <gmock/gmock.h>

#include "common/base/file.h"
#include "scoring/sigma/view.h"
#include "tests/unit/sigma/rules.h"

namespace shrike::scoring::sigma {
namespace {

bool holds(const std::string& detection, const std::string& logsource, const Event& event) {
  return fires(rule(detection, logsource), event);
}
bool process(const std::string& items, const Event& event) { return fires(rule(selection(items)), event); }
bool file(const std::string& items, const Event& event) {
  return holds(selection(items), "category: file_event", event);
}
bool audit(const std::string& items, const Event& event) { return holds(selection(items), "service: auditd", event); }

TEST(SigmaLogs, ProcessCreationIsAnExecThatSucceeded) {
  Scene exec(EventKind::exec), failed(EventKind::exec_failed), fork(EventKind::fork), open(EventKind::open);
  for (Scene* scene : {&exec, &failed, &fork, &open}) scene->program("/usr/bin/id");
  EXPECT_TRUE(process("Image|endswith: /id", exec.event));
  EXPECT_FALSE(process("Image|endswith: /id", failed.event));
  EXPECT_FALSE(process("Image|endswith: /id", fork.event));
  EXPECT_FALSE(process("Image|endswith: /id", open.event));
}

TEST(SigmaLogs, TheImageIsTheExecutableAndTheCommandLineBeginsWithWhatItWasCalled) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/python3.11", {"-c", "import pty"}).argv0("/tmp/harmless").child_of("/usr/sbin/sshd", {"-D"});
  scene.self().cwd = "/var/tmp";
  EXPECT_TRUE(process("Image: /usr/bin/python3.11", scene.event));
  EXPECT_TRUE(process("CommandLine: '/tmp/harmless -c import pty'", scene.event));
  EXPECT_TRUE(process("ParentImage: /usr/sbin/sshd", scene.event));
  EXPECT_TRUE(process("ParentCommandLine: 'sshd -D'", scene.event));
  EXPECT_TRUE(process("GrandParentImage|endswith: /systemd", scene.event));
  EXPECT_TRUE(process("User: alice", scene.event));
  EXPECT_TRUE(process("LogonId: 1000", scene.event));
  EXPECT_TRUE(process("ParentProcessId: 100", scene.event));
  for (const char* same : {"'/var/tmp'", "'/var/tmp/'", "'/VAR/tmp'", "'/var/*'", "'*/t?p'"})
    EXPECT_TRUE(process("CurrentDirectory: " + std::string(same), scene.event)) << same;
  EXPECT_TRUE(process("CurrentDirectory|endswith: '/tmp'", scene.event));
  EXPECT_TRUE(process("CurrentDirectory|startswith: '/var'", scene.event));
  EXPECT_FALSE(process("CurrentDirectory: '/var'", scene.event));
}

TEST(SigmaLogs, TheImageIsAlsoThePathThatWasExecuted) {
  Scene scene(EventKind::exec);
  scene.path("/usr/bin/nc").program("/usr/bin/nc.openbsd");
  EXPECT_TRUE(process("Image|endswith: /nc", scene.event));
  EXPECT_TRUE(process("Image|endswith: /nc.openbsd", scene.event));
  EXPECT_TRUE(audit("{type: PATH, name: /usr/bin/nc}", scene.event));
  // Who chooses the name cannot hide behind it.
  EXPECT_TRUE(fires(rule("    s:\n        Image: '*'\n    filter:\n        Image|endswith: /nc\n"
                         "    condition: s and not filter\n"),
                    scene.event));
}

TEST(SigmaLogs, AFilterOnAFieldThatIsMissingDoesNotFilter) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/id");
  EXPECT_TRUE(fires(rule("    s:\n        Image|endswith: /id\n    filter:\n        CurrentDirectory: /x\n"
                         "    condition: s and not filter\n"),
                    scene.event));
}

TEST(SigmaLogs, FileEventsAreWritesNewFilesAndNewNames) {
  Scene written(EventKind::open), read(EventKind::open), created(EventKind::open), failed(EventKind::open);
  written.writes("/etc/cron.d/x");
  read.reads("/etc/cron.d/x");
  created.opens("/etc/cron.d/x", O_RDONLY | O_CREAT).flag(flag_created);
  failed.writes("/etc/cron.d/x").fails(13);
  const std::string item = "TargetFilename|startswith: /etc/cron.d/";
  EXPECT_TRUE(file(item, written.event));
  EXPECT_FALSE(file(item, read.event));
  EXPECT_TRUE(file(item, created.event));
  EXPECT_FALSE(file(item, failed.event));
  Scene renamed(EventKind::rename), removed(EventKind::unlink);
  renamed.path("/tmp/x").path2("/etc/cron.d/x");
  removed.path("/etc/cron.d/x");
  EXPECT_TRUE(file(item, renamed.event));
  EXPECT_FALSE(file(item, removed.event));
}

TEST(SigmaLogs, AFileIsFoundUnderTheNameGivenAndUnderItsOwn) {
  Scene scene(EventKind::open);
  scene.writes("/tmp/link/x").real("/etc/cron.d/x");
  EXPECT_TRUE(file("TargetFilename|startswith: /etc/cron.d/", scene.event));
  EXPECT_TRUE(file("TargetFilename|startswith: /tmp/link/", scene.event));
  EXPECT_TRUE(file("TargetFilename|startswith: /ETC/Cron.d/", scene.event));
}

TEST(SigmaLogs, NetworkConnectionsAreMadeOrTaken) {
  Scene out(EventKind::connect), in(EventKind::accept), started(EventKind::connect), refused(EventKind::connect),
      local(EventKind::connect);
  out.tcp({10, 0, 0, 5}, 40000, {93, 184, 216, 34}, 4444);
  started.tcp({10, 0, 0, 5}, 40000, {93, 184, 216, 34}, 4444).fails(115);
  refused.tcp({10, 0, 0, 5}, 40000, {93, 184, 216, 34}, 4444).fails(111);
  in.tcp({10, 0, 0, 5}, 4444, {93, 184, 216, 34}, 40000);
  local.unix_socket("/run/x");
  const auto net = [](const std::string& items, const Scene& scene) {
    return holds(selection(items), "category: network_connection", scene.event);
  };
  EXPECT_TRUE(net("Initiated: 'true'", out));
  EXPECT_TRUE(net("Initiated: true", started));
  EXPECT_FALSE(net("Initiated: true", refused));
  EXPECT_FALSE(net("Initiated: 'true'", in));
  EXPECT_TRUE(net("Initiated: 'false'", in));
  EXPECT_FALSE(net("Initiated: true", local));
  EXPECT_TRUE(net("DestinationPort: [4444, 5555]", out));
  EXPECT_TRUE(net("DestinationPort: 4444", in));
  EXPECT_TRUE(net("SourcePort: 40000", out));
  EXPECT_TRUE(net("Protocol: TCP", out));
}

TEST(SigmaLogs, ExecveRecordsHaveExactArguments) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/chmod", {"777", "/tmp/a b"});
  EXPECT_TRUE(audit("{type: EXECVE, a0: chmod, a1: 777}", scene.event));
  EXPECT_TRUE(audit("{type: execve, a2|startswith: /tmp/}", scene.event));
  EXPECT_FALSE(audit("{type: EXECVE, a1: 77}", scene.event));
  EXPECT_FALSE(audit("{type: EXECVE, a3|contains: b}", scene.event));
  EXPECT_FALSE(audit("{type: PATH, a1: 777}", scene.event));
  EXPECT_TRUE(audit("{a1|contains: 'tmp'}", Scene(EventKind::exec).program("/x", {"/TMP/y"}).event));
}

TEST(SigmaLogs, KeywordsOfAnExecveRecordAreLookedForInItsArguments) {
  Scene scene(EventKind::exec);
  scene.program("/usr/bin/grep", {"-r", "Password", "/etc"});
  const std::string all =
      "    s:\n        type: EXECVE\n    k:\n        '|all':\n            - grep\n            - password\n"
      "    condition: s and k\n";
  EXPECT_TRUE(holds(all, "service: auditd", scene.event));
  const std::string any =
      "    s:\n        type: EXECVE\n    k:\n        - nothing\n        - pass*etc\n    condition: s and k\n";
  EXPECT_TRUE(holds(any, "service: auditd", scene.event));
  EXPECT_FALSE(holds(all, "service: auditd", Scene(EventKind::exec).program("/bin/grep", {"x"}).event));
}

TEST(SigmaLogs, SyscallRecordsAreOfTheCallsNamedOrOfTheExec) {
  Scene memfd(EventKind::memfd), exec(EventKind::exec);
  memfd.program("/opt/ecasound");
  exec.program("/opt/ecasound").uid(33);
  EXPECT_TRUE(audit("{type: SYSCALL, SYSCALL: memfd_create, exe|endswith: /ecasound}", memfd.event));
  EXPECT_FALSE(audit("{type: SYSCALL, SYSCALL: memfd_create, exe|endswith: /ecasound}", exec.event));
  EXPECT_TRUE(audit("{type: SYSCALL, exe|endswith: /ecasound}", exec.event));
  EXPECT_FALSE(audit("{type: SYSCALL, exe|endswith: /ecasound}", memfd.event));
  EXPECT_TRUE(audit("{type: SYSCALL, SYSCALL: [execve, execveat], euid: 33}", exec.event));
  EXPECT_TRUE(audit("{type: SYSCALL, comm: ecasound, success: 'yes'}", exec.event));
  EXPECT_FALSE(audit("{type: SYSCALL, comm: ecasound, success: 'no'}", exec.event));
  EXPECT_EQ(refusal(rule(selection("{type: SYSCALL, SYSCALL: personality, a0: 40000}"), "service: auditd")),
            "unsupported: system call personality is not seen");
  EXPECT_EQ(refusal(rule(selection("{type: SYSCALL, SYSCALL: memfd_create, a0: 4}"), "service: auditd")),
            "unsupported: field \"a0\": the raw arguments of a call are not kept");
}

TEST(SigmaLogs, PathRecordsAreOfChangesUnlessTheRuleIsAboutDiscovery) {
  Scene read(EventKind::open), written(EventKind::open), mode(EventKind::chmod);
  read.reads("/etc/login.defs");
  written.writes("/etc/login.defs");
  mode.path("/etc/login.defs");
  const std::string item = "{type: PATH, name: /etc/login.defs}";
  EXPECT_FALSE(audit(item, read.event));
  EXPECT_TRUE(audit(item, written.event));
  EXPECT_TRUE(audit(item, mode.event));
  std::string discovery = rule(selection(item), "service: auditd");
  discovery.replace(discovery.find("attack.execution"), 16, "attack.discovery");
  EXPECT_TRUE(fires(discovery, read.event));
  const std::string told = rule(selection(item), "service: auditd\n    definition: '-w /etc/login.defs -p r -k x'");
  EXPECT_TRUE(fires(told, read.event));
  EXPECT_FALSE(fires(told, written.event));
  EXPECT_FALSE(audit("{type: PATH, name: /ETC/login.defs}", written.event));
}

TEST(SigmaLogs, PathRecordsSayWhetherANameIsMadeOrGoes) {
  Scene created(EventKind::open), changed(EventKind::open), renamed(EventKind::rename), removed(EventKind::unlink);
  created.writes("/etc/x").flag(flag_created);
  changed.writes("/etc/x");
  renamed.path("/tmp/y").path2("/etc/x");
  removed.path("/etc/x");
  const auto type = [](const std::string& nametype, const Scene& scene) {
    return audit("{type: PATH, name: /etc/x, nametype: " + nametype + "}", scene.event);
  };
  EXPECT_TRUE(type("CREATE", created));
  EXPECT_FALSE(type("CREATE", changed));
  EXPECT_TRUE(type("NORMAL", changed));
  EXPECT_TRUE(type("CREATE", renamed));
  EXPECT_FALSE(type("DELETE", renamed));
  EXPECT_TRUE(type("DELETE", removed));
  EXPECT_TRUE(audit("{type: PATH, name: /tmp/y, nametype: DELETE}", renamed.event));
}

TEST(SigmaLogs, RecordsThatAreNotReadNeverHoldAndAreSaid) {
  const std::string either =
      "    a:\n        type: TTY\n    b:\n        type: EXECVE\n        a0: id\n    condition: 1 of *\n";
  std::vector<RuleStatus> statuses;
  ASSERT_TRUE(compile_rules({{"t.yml", rule(either, "service: auditd")}}, &statuses).ok());
  EXPECT_EQ(statuses.at(0).reason, "audit's TTY records are not read");
  EXPECT_EQ(refusal(rule(selection("{type: TTY}"), "service: auditd")),
            "unsupported: audit's TTY records are not read");
  EXPECT_EQ(refusal(rule(selection("{key: susp}"), "service: auditd")),
            "unsupported: field \"key\": a key is given by auditd's own rules, which Shrike does not have");
}

TEST(SigmaLogs, LogsWeDoNotHaveAreNamed) {
  const std::string detection = "    k:\n        - evil\n    condition: k\n";
  EXPECT_EQ(refusal(rule(detection, "service: sshd")),
            "unsupported: needs the log of sshd, which Shrike does not read");
  EXPECT_EQ(refusal(rule(detection, "x: y")), "unsupported: needs the text of system logs, which Shrike does not read");
  EXPECT_EQ(refusal(rule(detection, "category: dns_query")),
            "unsupported: category \"dns_query\" is not mapped to events: process_creation, file_event and "
            "network_connection are");
  std::string windows = rule(selection("Image: x"));
  windows.replace(windows.find("product: linux"), 14, "product: windows");
  EXPECT_EQ(refusal(windows), "unsupported: is about product \"windows\", Shrike watches linux");
  EXPECT_EQ(refusal(rule(selection("md5: x"))), "unsupported: field \"md5\": Shrike does not hash executables");
  EXPECT_EQ(refusal(rule(selection("Colour: x"))),
            "unsupported: field \"Colour\" is not in process_creation events of ours");
  EXPECT_EQ(refusal(rule(detection)), "unsupported: keywords need the text of a log, which Shrike does not read");
}

TEST(SigmaLogs, TheTableOfFieldsIsAsDocumented) {
  const std::string path = SHRIKE_SOURCE_DIR "/scoring/sigma/fields.md";
  const std::string head =
      "# Fields of Sigma's logs\n\nMade from `view.cc` and `audit.cc` by `SHRIKE_RENEW=1 unit_sigma "
      "--gtest_filter=SigmaLogs.TheTable*`.\nFields of ours are in [rules/fields.md](../rules/fields.md). A rule that "
      "asks for any other field of its log is not loaded;\nof audit's records, a field that is not here is in no such "
      "record, and nothing holds of it.\n";
  const std::string text = head + field_table();
  if (std::getenv("SHRIKE_RENEW") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, text).ok());
  }
  const auto documented = read_file(path);
  ASSERT_TRUE(documented.ok());
  EXPECT_EQ(*documented, text);
}

}  // namespace
}  // namespace shrike::scoring::sigma
