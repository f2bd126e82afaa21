#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "collector/ctl/commands.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/wire/alert.h"
#include "tests/unit/ctl/fake_api.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::ctl {
namespace {

using testing::HasSubstr;

std::string alert(const std::string& uid, uint64_t time_ns) {
  Alert out;
  out.time_ns = time_ns;
  out.node = "web-1";
  out.rule = "Read shadow";
  out.severity = Severity::high;
  out.message = "cat read /etc/shadow";
  out.uid = uid;
  return alert_to_json(out);
}

/// A running `shrike tail` and the reading end of its output.
class Running {
 public:
  Running(const TailOptions& options, const Endpoint& endpoint) : options_(options) {
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (pipe(ends) != 0) abort();
    in_.reset(ends[0]);
    out_fd_.reset(ends[1]);
    out_ = std::make_unique<Output>(ends[1]);
    thread_ = std::thread([this, endpoint] { code_ = run_tail(options_, endpoint, *out_); });
  }
  ~Running() {
    if (thread_.joinable()) end();
  }
  /// The next line; empty when none comes in time.
  std::string line() {
    std::string out;
    char c = 0;
    pollfd fd{in_.get(), POLLIN, 0};
    while (poll(&fd, 1, 20'000) == 1 && read(in_.get(), &c, 1) == 1 && c != '\n') out.push_back(c);
    return out;
  }
  /// Goes away as a reader and waits for the end.
  int end() {
    in_.reset();
    thread_.join();
    return code_;
  }
  int wait() {
    thread_.join();
    return code_;
  }

 private:
  TailOptions options_;
  Fd in_, out_fd_;
  std::unique_ptr<Output> out_;
  std::thread thread_;
  int code_ = -1;
};

TEST(Tail, PrintsEachAlertAtOnceWithItsLatency) {
  const Temporary files;
  FakeApi api;
  TailOptions options;
  options.format = Format::json;
  Running tail(options, api.endpoint(files.file("token", "secret")));
  api.send(alert("a", wall_now_ns() - 3'000'000));
  const auto shown = alert_from_json(tail.line());
  ASSERT_TRUE(shown.ok()) << shown.error().message;
  EXPECT_GE(shown->latency_us, 3000);
  EXPECT_EQ(shown->uid, "a");
  EXPECT_THAT(api.requests(1)[0], HasSubstr("follow=1&limit=0")) << "nothing of what is stored";
}

TEST(Tail, GoesOnAfterTheCollectorRestartedWithoutGapOrDouble) {
  const Temporary files;
  const uint64_t now = wall_now_ns();
  auto api = std::make_unique<FakeApi>();
  const int port = api->port();
  TailOptions options;
  options.severity = "high";
  options.since = "1h";
  Running tail(options, api->endpoint(files.file("token", "secret")));
  api->send(alert("a", now));
  EXPECT_THAT(tail.line(), HasSubstr("Read shadow"));
  api.reset();
  api = std::make_unique<FakeApi>(port);
  ASSERT_EQ(api->port(), port);
  // The collector sends again what it has since then: the first is known, the late one is older than it and new.
  api->send(alert("a", now));
  api->send(alert("late", now - 60'000'000'000));
  EXPECT_THAT(tail.line(), HasSubstr(rfc3339(now - 60'000'000'000)));
  const std::string request = api->requests(1)[0];
  EXPECT_THAT(request, HasSubstr("since=20"));
  EXPECT_THAT(request, HasSubstr("severity=high"));
  EXPECT_THAT(request, HasSubstr("follow=1"));
}

TEST(Tail, EndsWellWhenItsReaderGoesAwayAlsoWhenNothingComes) {
  const Temporary files;
  FakeApi api;
  Running tail({}, api.endpoint(files.file("token", "secret")));
  api.send(alert("a", wall_now_ns()));
  tail.line();
  EXPECT_EQ(tail.end(), exit_ok);
}

TEST(Tail, WithoutCollectorFailsAtOnce) {
  const Temporary files;
  FakeApi api;
  const Endpoint endpoint = api.endpoint(files.file("token", "secret"));
  api.stop();
  Running tail({}, endpoint);
  EXPECT_EQ(tail.wait(), exit_failed);
}

TEST(Tail, WithoutFollowEndsAfterWhatIsStored) {
  const Temporary files;
  FakeApi api;
  api.send(alert("a", wall_now_ns()));
  api.send("this is no alert");
  api.send(alert("b", wall_now_ns()));
  TailOptions options;
  options.follow = false;
  Running tail(options, api.endpoint(files.file("token", "secret")));
  EXPECT_THAT(tail.line(), HasSubstr("Read shadow"));
  EXPECT_THAT(tail.line(), HasSubstr("Read shadow"));
  EXPECT_EQ(tail.wait(), exit_ok);
}

}  // namespace
}  // namespace shrike::ctl
