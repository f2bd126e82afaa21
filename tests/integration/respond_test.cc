// What the agent does about an alert, for real: real processes that trip a real rule, a real webhook.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/base/fd.h"
#include "tests/integration/agent_rig.h"
#include "tests/require.h"

namespace shrike::test {
namespace {

using testing::HasSubstr;

std::string field(const Alert& alert, const std::string& name) {
  for (const auto& [key, value] : alert.fields)
    if (key == name) return value;
  return {};
}

std::vector<Alert> of_rule(const std::vector<Alert>& alerts, const std::string& rule) {
  std::vector<Alert> out;
  std::copy_if(alerts.begin(), alerts.end(), std::back_inserter(out),
               [&](const Alert& one) { return one.rule == rule; });
  return out;
}

char state_of(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  const size_t close = text ? text->rfind(')') : std::string::npos;
  return close == std::string::npos || close + 2 >= text->size() ? '?' : (*text)[close + 2];
}

class Respond : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", AgentRig::can_run()); }
  void configure(const std::string& more) {
    rig.files.file("agent.toml", *read_file(rig.files.dir() + "/agent.toml") + more);
  }
  void open_secret() const { const Fd fd(::open((rig.files.dir() + "/secret").c_str(), O_RDONLY | O_CLOEXEC)); }
  AgentRig rig;
};

/// A child of the test: sleeps, so that the test can look at it, and is ended with it.
class Sleeper {
 public:
  explicit Sleeper(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  ~Sleeper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  int end() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

int open_and_stay(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  for (;;) ::pause();
  return fd;
}

TEST_F(Respond, KillsTheProgramThatTripsTheRuleAndSignsThatItDid) {
  configure("[response.rules]\nshadow = \"kill\"\n");
  ASSERT_TRUE(rig.start());
  Sleeper thief([&] { return open_and_stay(rig.files.dir() + "/secret"); });
  const pid_t pid = thief.pid();
  const int status = thief.end();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  const auto alerts = rig.alerts();
  const auto taken = of_rule(alerts, "Response taken");
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].source, AlertSource::response);
  EXPECT_EQ(field(taken[0], "target_pid"), std::to_string(pid));
  EXPECT_EQ(field(taken[0], "cause_rule"), "shadow");
  const auto cause = of_rule(alerts, "shadow");
  ASSERT_FALSE(cause.empty());
  EXPECT_EQ(field(taken[0], "cause_uid"), cause[0].uid);
}

TEST_F(Respond, NeverTouchesItsAncestors) {
  // Its own opens stay in the kernel; those of the test, which started it, do not.
  configure("[response.rules]\nshadow = \"kill\"\n");
  ASSERT_TRUE(rig.start());
  open_secret();
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  const auto withheld = of_rule(rig.alerts(), "Response withheld");
  ASSERT_EQ(withheld.size(), 1u);
  EXPECT_EQ(field(withheld[0], "target_pid"), std::to_string(::getpid()));
  EXPECT_THAT(withheld[0].message, HasSubstr("ancestors"));
}

TEST_F(Respond, OpensTheBreakerAndFromThenOnObserves) {
  configure("[response]\nmax_per_minute = 2\n[response.rules]\nshadow = \"kill\"\n");
  ASSERT_TRUE(rig.start());
  for (int i = 0; i < 2; ++i) {
    Sleeper thief([&] { return open_and_stay(rig.files.dir() + "/secret"); });
    EXPECT_TRUE(WIFSIGNALED(thief.end()));
  }
  Sleeper third([&] { return open_and_stay(rig.files.dir() + "/secret"); });
  ASSERT_TRUE(AgentRig::wait([&] { return state_of(third.pid()) == 'S'; }));
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  EXPECT_EQ(::kill(third.pid(), 0), 0);
  EXPECT_EQ(state_of(third.pid()), 'S');
  const auto alerts = rig.alerts();
  EXPECT_EQ(of_rule(alerts, "Response taken").size(), 2u);
  ASSERT_EQ(of_rule(alerts, "Response breaker open").size(), 1u);
  EXPECT_EQ(of_rule(alerts, "Response breaker open")[0].severity, Severity::critical);
  ASSERT_FALSE(of_rule(alerts, "Response withheld").empty());
  EXPECT_THAT(of_rule(alerts, "Response withheld")[0].message, HasSubstr("breaker"));
}

TEST_F(Respond, StopsAProcessByItsTreesRiskAndLeavesItThere) {
  configure("[response.risk]\n\"0.1\" = \"stop\"\n");
  ASSERT_TRUE(rig.start());
  Sleeper thief([&] { return open_and_stay(rig.files.dir() + "/secret"); });
  EXPECT_TRUE(AgentRig::wait([&] { return state_of(thief.pid()) == 'T'; }));
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  EXPECT_EQ(of_rule(rig.alerts(), "Response taken").size(), 1u);
}

TEST_F(Respond, ADryRunTouchesNobodyAndKeepsNoPrivilege) {
  configure("[response]\ndry_run = true\n[response.rules]\nshadow = \"kill\"\n");
  ASSERT_TRUE(rig.start());
  const auto status = read_file("/proc/" + std::to_string(rig.agent->pid()) + "/status");
  ASSERT_TRUE(status);
  const size_t at = status->find("CapEff:\t");
  EXPECT_EQ(std::stoull(status->substr(at + 8, 16), nullptr, 16) & 1u << 5, 0u);  // CAP_KILL
  Sleeper thief([&] { return open_and_stay(rig.files.dir() + "/secret"); });
  ASSERT_TRUE(AgentRig::wait([&] { return state_of(thief.pid()) == 'S'; }));
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  EXPECT_EQ(state_of(thief.pid()), 'S');
  const auto withheld = of_rule(rig.alerts(), "Response withheld");
  ASSERT_EQ(withheld.size(), 1u);
  EXPECT_THAT(withheld[0].message, HasSubstr("dry run"));
}

TEST_F(Respond, ADenyThatTheKernelCannotDecideIsSaidLoudlyAndWithheld) {
  configure("[response.rules]\nshadow = \"deny\"\n");
  ASSERT_TRUE(rig.start());
  Sleeper reader([&] { return open_and_stay(rig.files.dir() + "/secret"); });
  ASSERT_TRUE(AgentRig::wait([&] { return state_of(reader.pid()) == 'S'; }));
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  const auto alerts = rig.alerts();
  const auto said = of_rule(alerts, "Deny not in force");
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].source, AlertSource::integrity);
  EXPECT_THAT(said[0].message, HasSubstr("rule \"shadow\" is not in force: of events of kind open"));
  const auto withheld = of_rule(alerts, "Response withheld");
  ASSERT_FALSE(withheld.empty());
  EXPECT_EQ(field(withheld[0], "action"), "deny");
  EXPECT_THAT(withheld[0].message, HasSubstr("the kernel cannot ask"));
}

/// A listener on loopback.
struct Listener {
  Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port = 0;
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(fd.get(), 16) == 0 &&
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0)
      port = ntohs(address.sin_port);
  }
};

bool can_connect(uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
  pollfd ready{fd.get(), POLLOUT, 0};
  int error = 1;
  socklen_t size = sizeof error;
  return ::poll(&ready, 1, 1000) == 1 && ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

/// A cgroup of the version 2 tree that goes with the test; empty where there is no such tree to write to.
struct TemporaryCgroup {
  std::string path;
  TemporaryCgroup() {
    for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (::access((std::string(root) + "/cgroup.procs").c_str(), W_OK) != 0) continue;
      if (::access((std::string(root) + "/cgroup.controllers").c_str(), R_OK) != 0) continue;
      path = std::string(root) + "/shrike-test-" + std::to_string(::getpid());
      if (::mkdir(path.c_str(), 0755) == 0) return;
      path.clear();
    }
  }
  ~TemporaryCgroup() {
    // The dead leave it a moment after they were waited for.
    if (!path.empty()) (void)AgentRig::wait([&] { return ::rmdir(path.c_str()) == 0; });
  }
};

TEST_F(Respond, CutsTheNetworkOfTheCgroupAndGivesItBackWhenItEnds) {
  const TemporaryCgroup cgroup;
  SHRIKE_NEED("cgroup2", !cgroup.path.empty());
  const Listener listener;
  ASSERT_NE(listener.port, 0);
  configure("[response.rules]\nshadow = \"cut\"\n");
  ASSERT_TRUE(rig.start());
  int orders[2], answers[2];
  ASSERT_EQ(::pipe2(orders, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(answers, O_CLOEXEC), 0);
  Sleeper child([&] {
    std::ofstream(cgroup.path + "/cgroup.procs") << ::getpid() << std::endl;
    char order = 0;
    while (::read(orders[0], &order, 1) == 1) {
      if (order == 'o') (void)::open((rig.files.dir() + "/secret").c_str(), O_RDONLY);
      const char answer = order == 'c' && can_connect(listener.port) ? 'y' : 'n';
      (void)!::write(answers[1], &answer, 1);
    }
    return 0;
  });
  const auto ask = [&](char order) {
    char answer = '?';
    (void)!::write(orders[1], &order, 1);
    (void)!::read(answers[0], &answer, 1);
    return answer;
  };
  EXPECT_EQ(ask('c'), 'y');
  ask('o');
  EXPECT_TRUE(AgentRig::wait([&] { return ask('c') == 'n'; })) << rig.log();
  EXPECT_TRUE(can_connect(listener.port));  // others can
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
  EXPECT_TRUE(AgentRig::wait([&] { return ask('c') == 'y'; }));
  const auto taken = of_rule(rig.alerts(), "Response taken");
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(field(taken[0], "action"), "cut");
}

/// Answers one request and gives its text.
std::string serve_one(const Listener& listener) {
  pollfd ready{listener.fd.get(), POLLIN, 0};
  if (::poll(&ready, 1, 60'000) != 1) return {};
  const Fd peer(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::string text;
  size_t body = std::string::npos, length = 0;
  while (body == std::string::npos || text.size() < body + length) {
    char bytes[4096];
    const ssize_t got = ::read(peer.get(), bytes, sizeof bytes);
    if (got <= 0) break;
    text.append(bytes, static_cast<size_t>(got));
    body = text.find("\r\n\r\n");
    if (body == std::string::npos) continue;
    body += 4;
    const size_t at = text.find("Content-Length: ");
    length = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
  }
  (void)write_all(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  return text;
}

TEST_F(Respond, PostsAlertsAsFalcoDoesUnderItsFilterAndFindsTheHostByName) {
  const Listener listener;
  configure("[outputs]\nhttp = { url = \"http://localhost:" + std::to_string(listener.port) +
            "/in\", severity = \"medium\" }\n");
  ASSERT_TRUE(rig.start());
  rig.touch();
  const std::string request = serve_one(listener);
  EXPECT_THAT(request, testing::StartsWith("POST /in HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json"));
  const auto body = nlohmann::json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
  ASSERT_TRUE(body.is_object()) << request;
  EXPECT_EQ(body["rule"], "shadow");
  EXPECT_EQ(body["priority"], "Warning");
  EXPECT_EQ(body["hostname"], "rig");
  EXPECT_EQ(body["output_fields"]["proc.name"], "cat");
  EXPECT_EQ(rig.stop().exit_code, 0) << rig.log();
}

}  // namespace
}  // namespace shrike::test
