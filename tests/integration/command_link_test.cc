// What comes on a node's command subject reaches the agent's side of the publisher, and no flood of it does harm.

#include <gtest/gtest.h>
#include <nats/nats.h>

#include <condition_variable>
#include <mutex>

#include "agent/ship/publisher.h"
#include "common/wire/command.h"
#include "common/wire/subjects.h"
#include "tests/integration/nats_server.h"
#include "tests/require.h"
#include "tests/unit/ship/rig.h"

namespace shrike::ship {
namespace {
using namespace std::chrono_literals;
using shrike::test::NatsServer;

class CommandLink : public testing::Test, public test::Rig {
 protected:
  void SetUp() override {
    SHRIKE_NEED("nats", !NatsServer::program().empty());
    auto started = NatsServer::start("max_payload: 2MB");
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
    spool = open();
    ASSERT_EQ(natsConnection_ConnectTo(&connection, server->url().c_str()), NATS_OK);
    PublisherOptions options;
    options.url = server->url();
    options.collector = PrivateKey::generate().public_key();
    options.on_command = [this](std::string bytes) {
      const std::lock_guard lock(mutex);
      got.push_back(std::move(bytes));
      came.notify_all();
    };
    auto begun = Publisher::start(*spool, options);
    ASSERT_TRUE(begun) << begun.error().message;
    publisher = std::move(*begun);
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!publisher->status().connected && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(5ms);
    ASSERT_TRUE(publisher->status().connected);
    // The subscription is at the server once an answer to what was sent after it has come back.
    ASSERT_TRUE(eventually([&] {
      send("web-1", "ping");
      return count() > 0;
    }));
  }
  ~CommandLink() override {
    publisher.reset();
    natsConnection_Destroy(connection);
  }
  void send(const std::string& node, const std::string& bytes) const {
    natsConnection_Publish(connection, command_subject(node).c_str(), bytes.data(), static_cast<int>(bytes.size()));
    natsConnection_FlushTimeout(connection, 5000);
  }
  size_t count() {
    const std::lock_guard lock(mutex);
    return got.size();
  }
  bool eventually(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  std::unique_ptr<NatsServer> server;
  std::unique_ptr<Spool> spool;
  natsConnection* connection = nullptr;
  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::string> got;
  std::unique_ptr<Publisher> publisher;
};

TEST_F(CommandLink, TheLargestMessageArrivesAsItWasSent) {
  const std::string large(command_message_max_bytes, 'x');
  send("web-2", "not ours");
  send("web-1", large);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !got.empty() && got.back() == large;
  }));
  const std::lock_guard lock(mutex);
  for (const std::string& one : got) EXPECT_TRUE(one == large || one == "ping") << one.substr(0, 20);
}

TEST_F(CommandLink, AFloodIsCountedAndBatchesStillLeave) {
  const std::string large(512u << 10, 'x');
  {
    const std::lock_guard hold(mutex);  // the handler waits: all of it lies in the box at once
    for (int i = 0; i < 80; ++i) send("web-1", large);
  }
  ASSERT_TRUE(eventually([&] { return publisher->status().commands >= 80; })) << publisher->status().commands;
  EXPECT_TRUE(eventually([&] {
    const auto status = publisher->status();
    return status.commands == count() + status.commands_dropped;
  }));
  EXPECT_TRUE(publisher->status().connected);
  send("web-1", "after");
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !got.empty() && got.back() == "after";
  }));
}

}  // namespace
}  // namespace shrike::ship
