#include <sys/mount.h>

#include <algorithm>
#include <mutex>

#include "collector/verify.h"
#include "tests/integration/collector_rig.h"

namespace shrike::test {
namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// Collects the lines of a follow request until it is destroyed.
class Following {
 public:
  Following(std::unique_ptr<httplib::Client> client, std::string path)
      : client_(std::move(client)), thread_([this, path = std::move(path)] {
          client_->Get(path, [this](const char* data, size_t size) {
            const std::lock_guard lock(mutex_);
            text_.append(data, size);
            return !stopped_;
          });
        }) {}
  ~Following() {
    stopped_ = true;
    client_->stop();
    thread_.join();
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::unique_ptr<httplib::Client> client_;
  mutable std::mutex mutex_;
  std::string text_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

TEST_F(CollectorRig, StoresAcknowledgesAndServesWhatAnAgentSends) {
  start();
  MadeChain alerts, telemetry;
  alerts.lane = Lane::alerts;
  telemetry.key = alerts.key;
  agent->hear("web-1");
  send(alerts, alerts.batch_of({made_alert("One"), made_alert("Two", Severity::low)}));
  send(telemetry, telemetry.batch(5));
  send(telemetry, telemetry.batch(5));
  EXPECT_TRUE(agent->acked(key, [&](const AckBody& ack) { return ack.lane == Lane::alerts && ack.seq == 1; }));
  EXPECT_TRUE(agent->acked(key, [&](const AckBody& ack) {
    return ack.lane == Lane::telemetry && ack.seq == 2 && ack.hash == telemetry.previous;
  }));
  const std::string all = get("/v1/alerts");
  EXPECT_EQ(count_of(all, "\n"), 2u) << all;
  EXPECT_EQ(count_of(get("/v1/alerts?severity=medium"), "\n"), 1u);
  EXPECT_EQ(count_of(get("/v1/events?node=web-1&lane=telemetry"), "\n"), 10u);
  EXPECT_EQ(count_of(get("/v1/events?kind=exec&limit=3"), "\n"), 3u);
  EXPECT_EQ(count_of(get("/v1/events?pid=104"), "\n"), 2u);
  EXPECT_EQ(count_of(get("/v1/verdicts"), "\"accepted\""), 3u);
  EXPECT_NE(get("/v1/nodes").find(alerts.key.public_key().to_hex()), std::string::npos);
  EXPECT_NE(get("/v1/status").find("\"batches\":3"), std::string::npos) << get("/v1/status");
  collector->stop();
  const auto report = collector::verify_state(config.state_dir, {}, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->outcome(), collector::VerifyReport::Outcome::proven);
  EXPECT_EQ(report->events, 12u);
}

TEST_F(CollectorRig, TellsFollowersEachAlertOnceAndAtOnce) {
  start();
  MadeChain alerts;
  alerts.lane = Lane::alerts;
  send(alerts, alerts.batch_of({made_alert("Before")}));
  ASSERT_TRUE(eventually([&] { return count_of(get("/v1/alerts"), "\n") == 1; }));
  const Following following(client(), "/v1/alerts?since=1h&follow=1");
  for (int i = 0; i < 50; ++i) send(alerts, alerts.batch_of({made_alert("Number " + std::to_string(i))}));
  EXPECT_TRUE(eventually([&] { return count_of(following.text(), "Number 49\"") == 1; })) << following.text();
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(count_of(following.text(), "\"rule\":\"Number " + std::to_string(i) + "\""), 1u) << i;
  EXPECT_EQ(count_of(following.text(), "\"rule\":\"Before\""), 1u);
}

TEST_F(CollectorRig, NamesForgedForkedAndMalformedBatches) {
  start();
  MadeChain good;
  good.lane = Lane::telemetry;
  send(good, good.batch());
  MadeChain copy = good;
  MadeChain other = good;
  other.key = PrivateKey::generate();
  send(good, good.batch());
  ASSERT_TRUE(eventually([&] { return count_of(get("/v1/verdicts"), "accepted") == 2; }));
  agent->publish("web-1", Lane::telemetry, copy.batch(7));
  agent->publish("web-1", Lane::telemetry, other.batch());
  agent->publish("web-1", Lane::telemetry, "no batch at all");
  agent->publish("web-2", Lane::telemetry, good.batch());
  ASSERT_TRUE(eventually([&] { return count_of(get("/v1/verdicts"), "\n") == 6; })) << get("/v1/verdicts");
  const std::string verdicts = get("/v1/verdicts");
  EXPECT_EQ(count_of(verdicts, "\"verdict\":\"forked\""), 1u) << verdicts;
  EXPECT_EQ(count_of(verdicts, "\"verdict\":\"forged\""), 2u) << verdicts;
  EXPECT_EQ(count_of(verdicts, "\"verdict\":\"malformed\""), 1u) << verdicts;
  const std::string alerts = get("/v1/alerts");
  EXPECT_EQ(count_of(alerts, "\"source\":\"integrity\""), 4u) << alerts;
  EXPECT_EQ(count_of(alerts, "\"rule\":\"Chain forked\""), 1u) << alerts;
}

TEST_F(CollectorRig, AcceptsWhatFollowsOnceTheMissingBatchComes) {
  start();
  MadeChain chain;
  agent->hear("web-1");
  send(chain, chain.batch());
  const MadeChain after_one = chain;
  const std::string missing = chain.batch();
  MadeChain at_two = chain;
  const std::string third = chain.batch();
  send(chain, third);
  EXPECT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 1 && ack.verdict == Verdict::gap; }));
  send(at_two, missing);
  EXPECT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 3 && ack.verdict == Verdict::accepted; }));
}

TEST_F(CollectorRig, GoesOnWhereItStoodAfterARestart) {
  start();
  MadeChain chain;
  for (int i = 0; i < 5; ++i) send(chain, chain.batch());
  ASSERT_TRUE(eventually([&] { return count_of(get("/v1/verdicts"), "accepted") == 5; }));
  collector->stop();
  collector.reset();
  for (int i = 0; i < 5; ++i) send(chain, chain.batch());
  start();
  agent->hear("web-1");
  EXPECT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 10; }));
  EXPECT_EQ(count_of(get("/v1/verdicts"), "accepted"), 10u);
}

TEST_F(CollectorRig, GoesOnWhenTheServerIsKilledAndComesBackEmpty) {
  start();
  MadeChain chain;
  agent->hear("web-1");
  send(chain, chain.batch());
  ASSERT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 1; }));
  nats->crash();
  std::filesystem::remove_all(nats->folder() + "/store");
  ASSERT_TRUE(nats->resume());
  send(chain, chain.batch());
  EXPECT_TRUE(agent->acked(
      key, [](const AckBody& ack) { return ack.seq == 2; }, std::chrono::seconds(40)));
}

TEST_F(CollectorRig, NeedsNoMoreThanItsNkeyAllows) {
  const PrivateKey nkey = PrivateKey::generate();
  config.nats.nkey_seed_file = dir + "/nkey.seed";
  ASSERT_TRUE(write_file_atomic(config.nats.nkey_seed_file, nkey.nkey_seed() + "\n", 0600).ok());
  std::string may = "\"shrike.v1.ack.*\", \"shrike.v1.cmd.*\", \"$JS.API.INFO\"";
  for (const std::string stream : {"SHRIKE_ALERTS", "SHRIKE_TELEMETRY"}) {
    for (const char* verb : {"CREATE", "INFO"}) may += ", \"$JS.API.STREAM." + std::string(verb) + "." + stream + "\"";
    for (const char* verb : {"DURABLE.CREATE", "INFO", "MSG.NEXT"})
      may += ", \"$JS.API.CONSUMER." + std::string(verb) + "." + stream + ".>\"";
    may += ", \"$JS.ACK." + stream + ".>\"";
  }
  nats->stop();
  nats->configure("max_payload: 2MB\nauthorization { users: [ { nkey: " + nkey.public_key().nkey() +
                  ", permissions: { publish: [" + may +
                  "], subscribe: [\"_INBOX.>\"] } }, { user: a, password: b } ] }");
  ASSERT_TRUE(nats->resume());
  start();
  agent = std::make_unique<MadeAgent>("nats://a:b@127.0.0.1:" + std::to_string(nats->port()));
  agent->meanwhile = [this] { collector->tick(); };
  agent->hear("web-1");
  MadeChain chain;
  send(chain, chain.batch());
  EXPECT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 1; }));
  EXPECT_EQ(nats->log().find("Permissions Violation"), std::string::npos) << nats->log();
}

TEST_F(CollectorRig, TakesNothingWhileTheDiskIsFullAndLosesNothing) {
  const std::string disk = dir + "/disk";
  std::filesystem::create_directory(disk);
  SHRIKE_NEED("root", ::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=48m") == 0);
  const std::unique_ptr<const std::string, void (*)(const std::string*)> mounted(
      &disk, [](const std::string* path) { ::umount2(path->c_str(), MNT_DETACH); });
  config.state_dir = disk + "/state";
  config.store.min_free_bytes = 16u << 20;
  start();
  agent->hear("web-1");
  MadeChain chain;
  send(chain, chain.batch());
  ASSERT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 1; }));
  ASSERT_TRUE(write_file_atomic(disk + "/ballast", std::string(36u << 20, 'x')).ok());
  const Following following(client(), "/v1/alerts?follow=1");
  send(chain, chain.batch());
  EXPECT_TRUE(eventually([&] { return count_of(following.text(), "Collector cannot store") > 0; })) << following.text();
  EXPECT_EQ(collector->status(), "not accepting: the disk refuses, see the log");
  EXPECT_FALSE(agent->acked(
      key, [](const AckBody& ack) { return ack.seq == 2; }, std::chrono::seconds(2)));
  std::filesystem::remove(disk + "/ballast");
  EXPECT_TRUE(agent->acked(key, [](const AckBody& ack) { return ack.seq == 2; }));
  EXPECT_EQ(count_of(get("/v1/alerts"), "\"rule\":\"Collector cannot store\""), 1u);
  collector->stop();
  const auto report = collector::verify_state(config.state_dir, {}, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->outcome(), collector::VerifyReport::Outcome::proven);
  collector.reset();
}

TEST_F(CollectorRig, RefusesWrongTokensAndParameters) {
  start();
  auto wrong = client();
  wrong->set_bearer_token_auth("wrong");
  EXPECT_EQ(wrong->Get("/v1/status")->status, 401);
  EXPECT_EQ(wrong->Get("/metrics")->status, 200);
  const auto bad = client()->Get("/v1/alerts?since=yesterday");
  EXPECT_EQ(bad->status, 400);
  EXPECT_NE(bad->body.find("\"parameter\":\"since\""), std::string::npos) << bad->body;
  EXPECT_EQ(client()->Get("/v1/alerts?colour=red")->status, 400);
  EXPECT_EQ(client()->Get("/v1/events?kind=nothing")->status, 400);
  EXPECT_EQ(client()->Get("/v1/proof?node=web-1")->status, 400);
  EXPECT_EQ(client()->Get("/v1/proof?node=web-1&lane=alerts&seq=1&index=0")->status, 404);
  EXPECT_EQ(client()->Get("/v1/nothing")->status, 404);
}

}  // namespace
}  // namespace shrike::test
