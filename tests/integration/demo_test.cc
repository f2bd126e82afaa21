// `shrike demo` as an operator runs it: real kernel, real nats-server, real collector.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "collector/ctl/child.h"
#include "common/base/file.h"
#include "tests/require.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds deadline{60'000};

bool can_run() {
  return geteuid() == 0 && access("/sys/kernel/btf/vmlinux", R_OK) == 0 && !find_program("shrike-agent").empty();
}

std::string content(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? *text : std::string();
}

/// Waits until `done` is true; false when it is not in time.
template <class Done>
bool wait_for(Done done) {
  const auto until = Clock::now() + deadline;
  while (!done()) {
    if (Clock::now() > until) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

bool gone(pid_t pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

struct Ended {
  int code = -1;
  std::string out;
  std::string err;
};

/// Runs a command to its end.
Ended run(const Temporary& files, const std::string& command) {
  const std::string out = files.dir() + "/run.out", err = files.dir() + "/run.err";
  auto child =
      Child::start({"sh", {"/bin/sh", "-c", command + " >" + out + " 2>" + err}, {}, files.dir() + "/run.log"});
  if (!child.ok()) return {-1, "", child.error().message};
  const auto end = child->ended(deadline);
  return {end ? end->exit_code : -1, content(out), content(err)};
}

/// A running `shrike demo`; its private directories are made in the test's.
class DemoRun {
 public:
  DemoRun(const Temporary& files, const std::string& name, const std::string& options, const std::string& behind = "")
      : out_(files.dir() + "/" + name + ".out"),
        err_(files.dir() + "/" + name + ".err"),
        tmp_(files.dir() + "/" + name) {
    fs::create_directory(tmp_);
    const std::string command = (behind.empty() ? "exec " : "") + own_folder() + "/shrike demo --verbose " + options +
                                " 2>" + err_ + behind + " >" + out_;
    auto child =
        Child::start({"demo", {"/bin/sh", "-c", command}, {"TMPDIR=" + tmp_}, files.dir() + "/" + name + ".log"});
    if (child.ok()) child_.emplace(std::move(*child));
  }
  bool watching() {
    return wait_for([&] { return ended() || err().find("watching node") != std::string::npos; }) && !ended();
  }
  bool ended() { return !child_ || child_->ended().has_value(); }
  std::string out() const { return content(out_); }
  std::string err() const { return content(err_); }
  void send(int number) const { kill(child_->pid(), number); }
  ChildEnd end() {
    const auto end = child_->ended(deadline);
    return end ? *end : ChildEnd{-1, 0, {}, 0};
  }
  /// The process of that program, as --verbose tells; 0 when it has not.
  pid_t pid_of(const std::string& program) const {
    const std::string text = err(), key = program + " is process ";
    const size_t at = text.find(key);
    return at == std::string::npos ? 0 : static_cast<pid_t>(std::atoi(text.c_str() + at + key.size()));
  }
  std::vector<pid_t> pids() const {
    return {pid_of("nats-server"), pid_of("shrike-collector"), pid_of("shrike-agent")};
  }
  bool left_nothing() const { return fs::is_empty(tmp_); }
  /// The first alert about a file, read now by a program that may not.
  nlohmann::json see_shadow_read() {
    nlohmann::json found;
    EXPECT_TRUE(wait_for([&] {
      Child::start({"cat", {"/bin/cat", "/etc/shadow"}, {}, "/dev/null"})->ended(deadline);
      std::istringstream lines(out());
      for (std::string line; std::getline(lines, line);) {
        auto json = nlohmann::json::parse(line, nullptr, false);
        if (!json.is_object() || !json.contains("process")) continue;
        if (json["process"]["name"] == "cat" && line.find("/etc/shadow") != std::string::npos) found = std::move(json);
      }
      return !found.is_null() || ended();
    })) << err();
    return found;
  }

 private:
  std::string out_, err_, tmp_;
  std::optional<Child> child_;
};

nlohmann::json summary_of(const std::string& err) {
  std::istringstream lines(err);
  nlohmann::json found;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("summary")) found = json["summary"];
  }
  return found;
}

class Demo : public testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", can_run());
    SHRIKE_NEED("nats", !find_program("nats-server").empty());
  }
  Temporary files_;
};

TEST_F(Demo, ShowsAReadOfShadowWithEveryKeyOfTheContractAndProvesIt) {
  const std::string state = files_.dir() + "/state";
  DemoRun demo(files_, "demo", "--for 8s --json --state " + state);
  ASSERT_TRUE(demo.watching()) << demo.err();
  const auto pids = demo.pids();
  for (const pid_t pid : pids) EXPECT_GT(pid, 0);
  const auto alert = demo.see_shadow_read();
  ASSERT_TRUE(alert.is_object()) << demo.err();
  for (const char* key : {"time", "node", "rule", "source", "severity", "risk", "confidence", "message", "attack",
                          "process", "ancestors", "fields", "evidence", "uid", "count", "latency_us"}) {
    EXPECT_TRUE(alert.contains(key)) << key;
  }
  for (const char* key : {"pid", "name", "exe", "cmdline", "cwd", "uid", "user", "tty", "container_id", "start_ns"}) {
    EXPECT_TRUE(alert["process"].contains(key)) << key;
  }
  EXPECT_EQ(alert["evidence"]["lane"], "alerts");
  EXPECT_EQ(alert["evidence"]["verdict"], "accepted");
  EXPECT_GT(alert["latency_us"].get<int64_t>(), 0);

  EXPECT_EQ(demo.end().exit_code, 0) << demo.err();
  const auto summary = summary_of(demo.err());
  ASSERT_TRUE(summary.is_object()) << demo.err();
  EXPECT_EQ(summary["evidence"], "proven") << demo.err();
  EXPECT_GT(summary["alerts"].get<int>(), 0);
  EXPECT_GT(summary["events"].get<int>(), 0);
  EXPECT_GT(summary["batches"].get<int>(), 0);
  for (const pid_t pid : pids) EXPECT_TRUE(gone(pid)) << pid;

  const std::string verify = own_folder() + "/shrike verify --state " + state;
  const Ended whole = run(files_, verify);
  EXPECT_EQ(whole.code, 0) << whole.out << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("proven"));

  // One bit of one stored batch, beyond the record's head.
  const auto segment = fs::directory_iterator(state + "/collector/segments")->path();
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(150);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(150);
  file.put(byte);
  file.close();
  const Ended torn = run(files_, verify);
  EXPECT_EQ(torn.code, 1) << torn.out << torn.err;
  EXPECT_THAT(torn.out, HasSubstr("first bad batch: " + alert["node"].get<std::string>() + "/"));
}

TEST_F(Demo, TwoAtOnceRunSideBySideAndLeaveNothing) {
  DemoRun one(files_, "one", "--json"), two(files_, "two", "--json");
  ASSERT_TRUE(one.watching()) << one.err();
  ASSERT_TRUE(two.watching()) << two.err();
  EXPECT_TRUE(one.see_shadow_read().is_object());
  EXPECT_TRUE(two.see_shadow_read().is_object());
  one.send(SIGINT);
  two.send(SIGTERM);
  for (DemoRun* demo : {&one, &two}) {
    EXPECT_EQ(demo->end().exit_code, 0) << demo->err();
    EXPECT_EQ(summary_of(demo->err())["evidence"], "proven") << demo->err();
    EXPECT_TRUE(demo->left_nothing());
    for (const pid_t pid : demo->pids()) EXPECT_TRUE(gone(pid)) << pid;
  }
}

TEST_F(Demo, GoesOnWithItsStateAndStillProvesAll) {
  const std::string state = files_.dir() + "/state";
  uint64_t before = 0;
  for (const char* name : {"first", "second"}) {
    DemoRun demo(files_, name, "--json --state " + state);
    ASSERT_TRUE(demo.watching()) << demo.err();
    EXPECT_TRUE(demo.see_shadow_read().is_object());
    demo.send(SIGINT);
    EXPECT_EQ(demo.end().exit_code, 0) << demo.err();
    EXPECT_EQ(summary_of(demo.err())["evidence"], "proven") << demo.err();
    const Ended verified = run(files_, own_folder() + "/shrike verify --json --state " + state);
    EXPECT_EQ(verified.code, 0) << verified.out;
    const auto batches = nlohmann::json::parse(verified.out)["batches"].get<uint64_t>();
    EXPECT_GT(batches, before);
    before = batches;
  }
}

TEST_F(Demo, SaysWhichProgramDiedAndTakesTheOthersAlong) {
  for (const char* program : {"nats-server", "shrike-collector", "shrike-agent"}) {
    DemoRun demo(files_, program, "");
    ASSERT_TRUE(demo.watching()) << demo.err();
    const auto pids = demo.pids();
    kill(demo.pid_of(program), SIGKILL);
    EXPECT_EQ(demo.end().exit_code, 1);
    EXPECT_THAT(demo.err(), HasSubstr(std::string(program) + " was ended by signal 9"));
    for (const pid_t pid : pids) EXPECT_TRUE(gone(pid)) << pid;
    EXPECT_TRUE(demo.left_nothing());
  }
}

TEST_F(Demo, KilledItselfLeavesNoProcess) {
  DemoRun demo(files_, "demo", "");
  ASSERT_TRUE(demo.watching()) << demo.err();
  const auto pids = demo.pids();
  demo.send(SIGKILL);
  EXPECT_EQ(demo.end().signal, SIGKILL);
  for (const pid_t pid : pids) {
    EXPECT_TRUE(wait_for([&] {
      return gone(pid) || content("/proc/" + std::to_string(pid) + "/stat").find(") Z ") != std::string::npos;
    })) << pid;
  }
}

TEST_F(Demo, EndsWhenItsReaderGoesAway) {
  DemoRun demo(files_, "demo", "--json", " | head -n 1");
  ASSERT_TRUE(demo.watching()) << demo.err();
  demo.see_shadow_read();
  EXPECT_TRUE(wait_for([&] {
    Child::start({"cat", {"/bin/cat", "/etc/shadow"}, {}, "/dev/null"})->ended(deadline);
    return demo.ended();
  })) << demo.err();
  EXPECT_EQ(summary_of(demo.err())["evidence"], "proven") << demo.err();
  EXPECT_TRUE(demo.left_nothing());
}

TEST(DemoAsPlainUser, SaysThatItNeedsRoot) {
  SHRIKE_NEED("root", geteuid() == 0);
  const Temporary files;
  fs::permissions(files.dir(), fs::perms::all);
  const std::string copy = files.dir() + "/shrike";
  fs::copy_file(own_folder() + "/shrike", copy);
  const Ended ended = run(files, "setpriv --reuid 65534 --regid 65534 --clear-groups " + copy + " demo");
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.err, HasSubstr("sudo shrike demo"));
}

}  // namespace
}  // namespace shrike::ctl
