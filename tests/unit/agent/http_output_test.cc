#include "agent/http_output.h"

#include <gmock/gmock.h>
#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;

/// What reads Falco's http_output, as a test wants it to be.
class Webhook {
 public:
  using Answer = std::function<int(size_t number)>;  ///< the status of the so many-th request
  explicit Webhook(Answer answer = [](size_t) { return 200; }) : answer_(std::move(answer)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(2); };
    server_.Post("/in", [this](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      response.status = answer_(requests_.size());
      response.set_content("ok", "text/plain");
      requests_.push_back(request);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~Webhook() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] std::vector<httplib::Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] HttpOptions options() const {
    HttpOptions out;
    out.target = *parse_http_url("http://127.0.0.1:" + std::to_string(port_) + "/in");
    out.version = "1.2";
    return out;
  }

 private:
  Answer answer_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<httplib::Request> requests_;
};

Alert alert(const std::string& rule, Severity severity = Severity::high) {
  Alert out;
  out.rule = rule;
  out.node = "n";
  out.message = "m";
  out.severity = severity;
  return out;
}

template <class Done>
bool wait(Done done) {
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

TEST(HttpOutput, PostsEachAlertAsFalcoDoes) {
  const Webhook hook;
  HttpOutput output(hook.options());
  output.post(alert("a"));
  output.post(alert("b"));
  ASSERT_TRUE(wait([&] { return output.counts().posted == 2; }));
  const auto requests = hook.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(requests[0].get_header_value("User-Agent"), "shrike/1.2");
  EXPECT_EQ(requests[0].body, alert_to_falco(alert("a")));
  EXPECT_EQ(nlohmann::json::parse(requests[1].body)["rule"], "b");
}

TEST(HttpOutput, PostsOtherFormatsAndOnlyTheSeverityThatIsWanted) {
  const Webhook hook;
  HttpOptions options = hook.options();
  options.format = Format::cef;
  options.severity = Severity::high;
  HttpOutput output(options);
  output.post(alert("low", Severity::low));
  output.post(alert("high", Severity::high));
  ASSERT_TRUE(wait([&] { return output.counts().posted == 1; }));
  EXPECT_EQ(hook.requests()[0].body, alert_to_cef(alert("high")));
  EXPECT_EQ(hook.requests()[0].get_header_value("Content-Type"), "text/plain");
}

TEST(HttpOutput, TriesAgainWhatTheServerCouldNotTakeAndKeepsTheOrder) {
  const Webhook hook([](size_t number) { return number < 2 ? 503 : 200; });
  HttpOutput output(hook.options());
  output.post(alert("a"));
  output.post(alert("b"));
  ASSERT_TRUE(wait([&] { return output.counts().posted == 2; }));
  EXPECT_EQ(output.counts().failures, 2u);
  EXPECT_EQ(output.counts().dropped, 0u);
  const auto requests = hook.requests();
  EXPECT_EQ(nlohmann::json::parse(requests.back().body)["rule"], "b");
}

TEST(HttpOutput, WhatTheServerRefusesIsCountedAndDoesNotHoldUpTheRest) {
  const Webhook hook([](size_t number) { return number == 0 ? 400 : 200; });
  HttpOutput output(hook.options());
  output.post(alert("a"));
  output.post(alert("b"));
  ASSERT_TRUE(wait([&] { return output.counts().posted == 1; }));
  EXPECT_EQ(output.counts().refused, 1u);
  EXPECT_THAT(output.counts().last_error, testing::HasSubstr("400"));
}

TEST(HttpOutput, ARedirectIsNotFollowed) {
  const Webhook hook([](size_t) { return 302; });
  HttpOutput output(hook.options());
  output.post(alert("a"));
  ASSERT_TRUE(wait([&] { return output.counts().refused == 1; }));
  EXPECT_EQ(hook.requests().size(), 1u);
}

TEST(HttpOutput, WithNobodyThereTheQueueStaysBoundedAndTheOldestGo) {
  HttpOptions options;
  options.target = *parse_http_url("http://127.0.0.1:1/in");
  options.queue_max = 10;
  HttpOutput output(options);
  for (int i = 0; i < 1000; ++i) output.post(alert(std::to_string(i)));
  EXPECT_LE(output.counts().queued, 10u);
  EXPECT_EQ(output.counts().dropped, 990u);
  output.stop(0);
  EXPECT_EQ(output.counts().dropped, 1000u);
  EXPECT_EQ(output.counts().posted, 0u);
  output.post(alert("late"));
  EXPECT_EQ(output.counts().queued, 0u);
}

TEST(HttpOutput, IsBoundedInBytesToo) {
  HttpOptions options;
  options.target = *parse_http_url("http://127.0.0.1:1/in");
  options.queue_max_bytes = 100'000;
  HttpOutput output(options);
  Alert large = alert("large");
  large.message.assign(20'000, 'x');
  for (int i = 0; i < 100; ++i) output.post(large);
  EXPECT_LE(output.counts().queued, 5u);
}

TEST(HttpOutput, AServerThatNeverAnswersHoldsNothingUp) {
  // Accepts by its backlog and never reads.
  const int silent = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(silent, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent, 8), 0);
  socklen_t size = sizeof address;
  ::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size);
  HttpOptions options;
  options.target = *parse_http_url("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  options.timeout_ms = 200;
  {
    HttpOutput output(options);
    output.post(alert("a"));
    EXPECT_TRUE(wait([&] { return output.counts().failures > 0; }));
    output.stop(0);
    EXPECT_EQ(output.counts().dropped, 1u);
  }
  ::close(silent);
}

TEST(HttpUrl, IsTakenApartOrRefused) {
  const auto full = parse_http_url("https://hook.example.org:8443/in?token=x");
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->host, "hook.example.org");
  EXPECT_EQ(full->port, 8443);
  EXPECT_EQ(full->path, "/in?token=x");
  EXPECT_EQ(parse_http_url("http://[::1]:2801")->host, "::1");
  EXPECT_EQ(parse_http_url("http://[::1]:2801")->port, 2801);
  EXPECT_EQ(parse_http_url("http://h")->port, 80);
  EXPECT_EQ(parse_http_url("https://h?x")->path, "/?x");
  for (const char* bad :
       {"", "h", "ftp://h", "http://", "http:///x", "http://h:0", "http://h:70000", "http://h:x", "http://u:p@h",
        "http://h/a b", "http://h/\r\nX: y", "http://[::1", "http://[::1]x", "http://h#f"})
    EXPECT_FALSE(parse_http_url(bad)) << bad;
}

}  // namespace
}  // namespace shrike::agent
