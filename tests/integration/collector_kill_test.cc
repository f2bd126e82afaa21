#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <random>

#include "collector/verify.h"
#include "tests/integration/collector_rig.h"

namespace shrike::test {
namespace {

/// The program itself, beside this one, so that it can be killed.
class KilledCollector : public CollectorRig {
 protected:
  void SetUp() override {
    program = (std::filesystem::canonical("/proc/self/exe").parent_path() / "shrike-collector").string();
    SHRIKE_NEED("collector", std::filesystem::exists(program));
    CollectorRig::SetUp();
  }
  void TearDown() override {
    kill(SIGKILL);
    CollectorRig::TearDown();
  }
  void run() {
    pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int log = ::open((dir + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      ::dup2(log, 2);
      ::execl(program.c_str(), program.c_str(), "--config", "/dev/null", "--state-dir", config.state_dir.c_str(),
              "--nats", nats->url().c_str(), "--listen", "127.0.0.1:0", "--trust-first", nullptr);
      ::_exit(127);
    }
  }
  void kill(int signal) {
    if (pid <= 0) return;
    ::kill(pid, signal);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  std::string program;
  pid_t pid = -1;
};

TEST_F(KilledCollector, LosesNothingAcknowledgedAndStoresNothingTwice) {
  run();
  agent = std::make_unique<MadeAgent>(nats->url());
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(config.state_dir + "/key.pub"); }))
      << *read_file(dir + "/log");
  key = PublicKey::from_hex(read_file(config.state_dir + "/key.pub")->substr(0, 64)).value();
  agent->hear("web-1");

  MadeChain chain;
  std::vector<std::string> sealed;
  std::vector<std::string> ids;
  for (int i = 0; i < 400; ++i) {
    sealed.push_back(chain.batch(20));
    ids.push_back(message_id(chain.node, chain.boot, chain.lane, chain.seq));
  }
  std::minstd_rand random(7);
  uint64_t acknowledged = 0;
  const auto hear = [&](const AckBody& ack) { return acknowledged = std::max(acknowledged, ack.seq), false; };
  size_t sent = 0;
  for (int round = 0; round < 8; ++round) {
    const size_t goal = sealed.size() * static_cast<size_t>(round + 1) / 8;
    while (sent < goal) {
      ASSERT_TRUE(eventually([&] { return agent->publish("web-1", Lane::telemetry, sealed[sent], ids[sent]); }));
      ++sent;
      if (random() % 37 != 0) continue;
      kill(SIGKILL);
      run();
      agent->acked(key, hear, std::chrono::seconds(0));
    }
  }
  // What came out of turn and was let go is sent again, as an agent does on a standing acknowledgement.
  ASSERT_TRUE(eventually(
      [&] {
        agent->acked(key, hear, std::chrono::seconds(2));
        for (size_t i = acknowledged; i < sealed.size(); ++i)
          agent->publish("web-1", Lane::telemetry, sealed[i], ids[i] + "." + std::to_string(random()));
        return acknowledged == sealed.size();
      },
      std::chrono::seconds(90)))
      << acknowledged << "\n"
      << *read_file(dir + "/log");
  kill(SIGTERM);
  const auto report = collector::verify_state(config.state_dir, {}, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->outcome(), collector::VerifyReport::Outcome::proven)
      << (report->problems.empty() ? "" : report->problems[0].sentence);
  EXPECT_EQ(report->batches, sealed.size());
  EXPECT_EQ(report->events, sealed.size() * 20);
}

}  // namespace
}  // namespace shrike::test
