#include "collector/ctl/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/fake_api.h"

namespace shrike::ctl {
namespace {

using testing::HasSubstr;

TEST(Url, EncodesWhatIsNotPlain) {
  EXPECT_EQ(url("/v1/alerts", {{"rule", "a b&c=ü"}, {"node", ""}, {"limit", "5"}}),
            "/v1/alerts?rule=a%20b%26c%3D%C3%BC&limit=5");
  EXPECT_EQ(url("/v1/nodes", {{"node", ""}}), "/v1/nodes");
}

TEST(Client, SendsTheTokenAndReturnsTheAnswer) {
  FakeApi api;
  api.answer(200, "[1]");
  EXPECT_EQ(Client(api.endpoint("")).get("/v1/nodes", {}).value(), "[1]");
}

TEST(Client, ExplainsWhatGoesWrong) {
  FakeApi api;
  Endpoint endpoint = api.endpoint("/some/token");
  api.answer(400, R"({"error":"since: is no time"})");
  EXPECT_THAT(Client(endpoint).get("/v1/status", {}).error().message, HasSubstr("400: since: is no time"));
  api.answer(503, "starting");
  EXPECT_EQ(Client(endpoint).get("/v1/status", {}).error().code, EAGAIN);
  api.answer(200, "");
  endpoint.token = "wrong";
  EXPECT_THAT(Client(endpoint).get("/v1/alerts", {}).error().message, HasSubstr("/some/token"));
  const int port = api.port();
  api.stop();
  const auto nobody = Client({"127.0.0.1", port, "", ""}).get("/v1/nodes", {});
  EXPECT_EQ(nobody.error().code, ECONNREFUSED);
  EXPECT_THAT(nobody.error().message, HasSubstr("no collector answers at 127.0.0.1:" + std::to_string(port)));
}

TEST(Client, CutsTheAnswerIntoLines) {
  FakeApi api;
  api.send("one\n\ntwo");
  api.send(std::string(200'000, 'x'));
  std::vector<size_t> sizes;
  ASSERT_TRUE(Client(api.endpoint(""))
                  .lines("/v1/events", {}, 20,
                         [&](std::string_view line) {
                           sizes.push_back(line.size());
                           return true;
                         })
                  .ok());
  EXPECT_THAT(sizes, testing::ElementsAre(3, 0, 3, 200'000));
}

TEST(Client, TakesALastLineThatIsAnError) {
  FakeApi api;
  api.send("one");
  api.send(R"({"error":"3 stored batches could not be read"})");
  std::vector<std::string> lines;
  const auto end = Client(api.endpoint("")).lines("/v1/events", {}, 20, [&](std::string_view line) {
    lines.emplace_back(line);
    return true;
  });
  ASSERT_FALSE(end.ok());
  EXPECT_THAT(end.error().message, HasSubstr("3 stored batches"));
  EXPECT_EQ(end.error().code, EAGAIN);
  EXPECT_THAT(lines, testing::ElementsAre("one"));
}

TEST(Client, RefusesALineWithoutEnd) {
  FakeApi api;
  for (int i = 0; i < 5; ++i) api.send(std::string(1u << 20, 'x'));
  EXPECT_TRUE(Client(api.endpoint("")).lines("/v1/events", {}, 20, [](std::string_view) { return true; }).ok());
  api.send(std::string(5u << 20, 'x'));
  const auto end = Client(api.endpoint("")).lines("/v1/events", {}, 20, [](std::string_view) { return true; });
  ASSERT_FALSE(end.ok());
  EXPECT_THAT(end.error().message, HasSubstr("4 MiB"));
}

TEST(Client, CanBeStoppedFromAnotherThread) {
  FakeApi api;
  Client client(api.endpoint(""));
  api.send("first");
  std::thread stopper;
  const auto end = client.lines("/v1/alerts", {{"follow", "1"}}, 60, [&](std::string_view) {
    stopper = std::thread([&] { client.stop(); });
    return true;
  });
  stopper.join();
  EXPECT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ECANCELED);
}

}  // namespace
}  // namespace shrike::ctl
