// The publisher against a real nats-server, with as much of a collector as it needs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/ship/publisher.h"
#include "tests/integration/mini_collector.h"
#include "tests/integration/nats_server.h"
#include "tests/require.h"

namespace shrike::ship {
namespace {
using namespace std::chrono_literals;
using shrike::test::NatsServer;
using test::MiniCollector;
using testing::HasSubstr;
using testing::IsEmpty;

class ShipTest : public testing::Test, public test::Rig {
 protected:
  void SetUp() override {
    SHRIKE_NEED("nats", !NatsServer::program().empty());
    begin("");
  }
  void begin(const std::string& server_lines) {
    auto started = NatsServer::start(server_lines);
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
    collector = std::make_unique<MiniCollector>(server->url(), identity.key.public_key());
    spool = open();
  }
  void publish() {
    options.url = server->url();
    options.collector = collector->key.public_key();
    options.limits.resend_after = 500ms;
    auto started = Publisher::start(*spool, options);
    ASSERT_TRUE(started) << started.error().message;
    publisher = std::move(*started);
  }
  void fill(int count, Lane lane = Lane::telemetry) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(append(*spool, lane, 3, 2000));
  }
  static bool eventually(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }
  void expect_all(uint64_t telemetry, uint64_t alerts = 0) {
    EXPECT_TRUE(collector->wait_for(Lane::telemetry, telemetry)) << publisher->status().last_error;
    EXPECT_TRUE(collector->wait_for(Lane::alerts, alerts)) << publisher->status().last_error;
    EXPECT_TRUE(publisher->wait_acknowledged(std::chrono::steady_clock::now() + 10s));
    EXPECT_EQ(collector->events(Lane::telemetry), telemetry * 3) << "none lost, none twice";
    EXPECT_EQ(collector->events(Lane::alerts), alerts * 3);
    EXPECT_THAT(collector->complaints(), IsEmpty());
    EXPECT_EQ(spool->status(Lane::telemetry).pending, 0u);
  }

  std::unique_ptr<NatsServer> server;
  std::unique_ptr<MiniCollector> collector;
  std::unique_ptr<Spool> spool;
  PublisherOptions options;
  std::unique_ptr<Publisher> publisher;
};

TEST_F(ShipTest, EverythingArrivesInOrderAndLeavesTheSpool) {
  collector->start();
  publish();
  fill(150);
  fill(20, Lane::alerts);
  expect_all(150, 20);
  EXPECT_TRUE(publisher->status().connected);
}

TEST_F(ShipTest, WaitsForAServerThatIsNotThereYet) {
  server->stop();
  publish();
  fill(5);
  ASSERT_TRUE(server->resume());
  collector->start();
  expect_all(5);
}

TEST_F(ShipTest, WaitsForStreamsThatAreNotThereYet) {
  publish();
  fill(5);
  ASSERT_TRUE(eventually([&] {
    return publisher->status().last_error.find("no JetStream stream") != std::string::npos;
  })) << publisher->status().last_error;
  collector->start();
  expect_all(5);
}

TEST_F(ShipTest, AServerThatIsKilledWhileBatchesFlyLosesNothing) {
  collector->start();
  publish();
  for (uint64_t round = 1; round <= 3; ++round) {
    fill(60);
    if (round < 3) server->crash();
    fill(40);
    if (round < 3) {
      ASSERT_TRUE(server->resume());
    }
  }
  expect_all(300);
}

TEST_F(ShipTest, ACollectorThatComesLateGetsAll) {
  collector->start();
  publish();
  fill(10);
  expect_all(10);
  collector->stop();
  fill(200);
  collector->start();
  expect_all(210);
}

TEST_F(ShipTest, AnAgentThatIsRestartedGoesOn) {
  collector->start();
  publish();
  fill(20);
  publisher.reset();
  spool.reset();
  spool = open();
  fill(20);
  publish();
  fill(20);
  expect_all(60);
}

TEST_F(ShipTest, ABatchLostOnTheWayIsSentAgainInsideJetStreamsDuplicateWindow) {
  std::atomic<int> lost = 0;
  collector->lose = [&](const OpenBatch& batch) {
    return batch.header.lane == Lane::telemetry && batch.header.seq == 7 && lost++ == 0;
  };
  collector->start();
  publish();
  fill(40);
  expect_all(40);
  EXPECT_GE(lost, 2);
  EXPECT_GE(collector->gaps(), 1u);
  EXPECT_GE(publisher->status().resends, 1u);
}

TEST_F(ShipTest, TheLastBatchLostOnTheWayIsSentAgainThoughNoGapShowsIt) {
  std::atomic<int> lost = 0;
  collector->lose = [&](const OpenBatch& batch) { return batch.header.seq == 20 && lost++ == 0; };
  collector->start();
  publish();
  fill(20);
  expect_all(20);
}

TEST_F(ShipTest, AcknowledgementsSignedByAnotherAreNotBelieved) {
  MiniCollector impostor(server->url(), identity.key.public_key());
  impostor.start();
  publish();
  fill(5);
  EXPECT_TRUE(impostor.wait_for(Lane::telemetry, 1));
  ASSERT_TRUE(eventually([&] { return publisher->status().refused_acks > 0; }));
  EXPECT_THAT(publisher->status().last_error, HasSubstr("does not fit the collector's key"));
  EXPECT_EQ(spool->status(Lane::telemetry).pending, 5u);
}

TEST_F(ShipTest, ABatchInTheSpoolThatIsNotOursDoesNotStopTheLane) {
  fill(3);
  const Identity other{identity.node, PrivateKey::generate(), "0.1.0"};
  {
    // As after a restored disk: a chain that goes on, signed by a key that is no longer ours.
    const Identity ours = std::exchange(identity, other);
    fill(1);
    identity = ours;
  }
  fill(3);
  collector->start();
  publish();
  ASSERT_TRUE(collector->wait_for(Lane::telemetry, 7)) << publisher->status().last_error;
  EXPECT_EQ(collector->events(Lane::telemetry), 6u * 3);
  EXPECT_THAT(spool->take_repairs(), testing::ElementsAre(HasSubstr("batch 4 is not signed by this node's key")));
}

class ShipNkeyTest : public ShipTest {
 protected:
  void SetUp() override { SHRIKE_NEED("nats", !NatsServer::program().empty()); }
  /// A server on which `key` is the agent web-1, and the collector needs no key.
  static std::string users(const PublicKey& key) {
    const std::string partition = std::to_string(partition_of("web-1"));
    return "authorization { users = [\n { user: collector, password: x },\n { nkey: " + key.nkey() +
           ", permissions: {\n  publish: [\"shrike.v1.alerts." + partition + ".web-1\", \"shrike.v1.telemetry." +
           partition + ".web-1\"],\n  subscribe: [\"shrike.v1.ack.web-1\", \"shrike.v1.cmd.web-1\", " +
           "\"_INBOX.web-1.>\"] } } ] }\nno_auth_user: collector";
  }
};

TEST_F(ShipNkeyTest, IsWhoItsNkeySaysAndNeedsNoMoreThanItsPermissions) {
  options.nkey = PrivateKey::generate();
  begin(users(options.nkey->public_key()));
  collector->start();
  publish();
  fill(20);
  fill(5, Lane::alerts);
  expect_all(20, 5);
  EXPECT_THAT(publisher->status().last_error, testing::Not(HasSubstr("ermission")));
}

TEST_F(ShipNkeyTest, SaysSoWhenItsNkeyIsNotKnownAndComesBackWhenItIs) {
  options.nkey = PrivateKey::generate();
  begin(users(PrivateKey::generate().public_key()));
  collector->start();
  publish();
  fill(5);
  EXPECT_TRUE(eventually([&] { return publisher->status().last_error.find("uthorization") != std::string::npos; }))
      << publisher->status().last_error;
  server->stop();
  server->configure(users(options.nkey->public_key()));
  ASSERT_TRUE(server->resume());
  expect_all(5);
}

TEST_F(ShipNkeyTest, SaysWhichSubjectItMayNotUse) {
  options.nkey = PrivateKey::generate();
  std::string lines = users(options.nkey->public_key());
  lines.replace(lines.find("shrike.v1.telemetry"), 19, "shrike.v1.elsewhere");
  begin(lines);
  collector->start();
  publish();
  fill(1);
  EXPECT_TRUE(eventually([&] { return publisher->status().last_error.find("ermission") != std::string::npos; }))
      << publisher->status().last_error;
}

class ShipTlsTest : public ShipTest {
 protected:
  void SetUp() override {
    SHRIKE_NEED("nats", !NatsServer::program().empty());
    SHRIKE_NEED("nats", std::system("openssl version >/dev/null 2>&1") == 0);
    // An authority, a certificate of 127.0.0.1 and one of another host.
    const std::string script =
        "cd " + folder.path +
        " && openssl req -x509 -newkey ed25519 -nodes -subj /CN=ca -days 2 -keyout ca.key -out ca.pem"
        " && for name in right:IP:127.0.0.1 wrong:DNS:elsewhere.example; do"
        " openssl req -newkey ed25519 -nodes -subj /CN=$name -keyout ${name%%:*}.key -out one.csr &&"
        " printf 'subjectAltName=%s' ${name#*:} >ext &&"
        " openssl x509 -req -in one.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext"
        " -out ${name%%:*}.pem; done";
    ASSERT_EQ(std::system(("(" + script + ") >/dev/null 2>&1").c_str()), 0);
  }
  [[nodiscard]] std::string tls(const std::string& name) const {
    return "tls { cert_file: \"" + folder.path + "/" + name + ".pem\", key_file: \"" + folder.path + "/" + name +
           ".key\" }";
  }
  void publish_tls(const std::string& ca_file) {
    options.ca_file = ca_file;
    options.url = "tls://127.0.0.1:" + std::to_string(server->port());
    options.collector = collector->key.public_key();
    publisher = std::move(*Publisher::start(*spool, options));
  }
};

TEST_F(ShipTlsTest, SpeaksTlsToAServerThatItsAuthorityVouchesFor) {
  begin(tls("right"));
  publish_tls(folder.path + "/ca.pem");
  EXPECT_TRUE(eventually([&] { return publisher->status().connected; })) << publisher->status().last_error;
}

TEST_F(ShipTlsTest, RefusesAServerWithTheCertificateOfAnotherHost) {
  begin(tls("wrong"));
  publish_tls(folder.path + "/ca.pem");
  EXPECT_TRUE(eventually([&] { return publisher->status().errors > 0; }));
  EXPECT_FALSE(publisher->status().connected);
  EXPECT_THAT(publisher->status().last_error, HasSubstr("tls://127.0.0.1"));
}

TEST_F(ShipTlsTest, RefusesAServerThatItsAuthoritiesDoNotKnow) {
  begin(tls("right"));
  publish_tls("");
  EXPECT_TRUE(eventually([&] { return publisher->status().errors > 0; }));
  EXPECT_FALSE(publisher->status().connected);
}

TEST_F(ShipTlsTest, ABrokenCaFileIsAnErrorThatNamesIt) {
  begin("");
  options.url = "tls://127.0.0.1:1";
  options.ca_file = folder.path + "/missing.pem";
  const auto started = Publisher::start(*spool, options);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("missing.pem"));
}

}  // namespace
}  // namespace shrike::ship
