#pragma once
// A collector on a real nats-server, and an agent of hand-made batches.

#include <gtest/gtest.h>
#include <httplib.h>
#include <nats/nats.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "collector/collector.h"
#include "common/base/file.h"
#include "common/wire/subjects.h"
#include "tests/integration/nats_server.h"
#include "tests/require.h"
#include "tests/unit/collector/made.h"

namespace shrike::test {

inline bool eventually(const std::function<bool()>& holds, std::chrono::seconds most = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

/// Publishes to JetStream and hears acknowledgements, as an agent does.
class MadeAgent {
 public:
  explicit MadeAgent(const std::string& url) {
    natsOptions* options = nullptr;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url.c_str());
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetReconnectWait(options, 50);
    natsConnection_Connect(&connection_, options);
    natsOptions_Destroy(options);
    jsOptions js;
    jsOptions_Init(&js);
    js.Wait = 1000;
    natsConnection_JetStream(&context_, connection_, &js);
  }
  ~MadeAgent() {
    natsSubscription_Destroy(acks_);
    jsCtx_Destroy(context_);
    natsConnection_Destroy(connection_);
  }
  void hear(const std::string& node) {
    natsConnection_SubscribeSync(&acks_, connection_, ack_subject(node).c_str());
    natsConnection_Flush(connection_);
  }
  bool publish(const std::string& node, Lane lane, std::string_view bytes, const std::string& id = {}) {
    const std::string subject = batch_subject(lane, node);
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = 1000;
    if (!id.empty()) options.MsgId = id.c_str();
    return js_Publish(nullptr, context_, subject.c_str(), bytes.data(), static_cast<int>(bytes.size()), &options,
                      nullptr) == NATS_OK;
  }
  bool publish(const MadeChain& chain, std::string_view bytes) {
    return publish(chain.node, chain.lane, bytes, message_id(chain.node, chain.boot, chain.lane, chain.seq));
  }
  /// Called while waiting: the collector's own tick, which repeats acknowledgements.
  std::function<void()> meanwhile;
  /// Waits for an acknowledgement that `fits`.
  bool acked(const PublicKey& collector, const std::function<bool(const AckBody&)>& fits,
             std::chrono::seconds most = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    while (std::chrono::steady_clock::now() < deadline) {
      if (meanwhile) meanwhile();
      natsMsg* message = nullptr;
      if (natsSubscription_NextMsg(&message, acks_, 200) != NATS_OK) continue;
      const auto ack =
          open_ack({natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message))}, collector);
      natsMsg_Destroy(message);
      if (ack && fits(*ack)) return true;
    }
    return false;
  }

 private:
  natsConnection* connection_ = nullptr;
  jsCtx* context_ = nullptr;
  natsSubscription* acks_ = nullptr;
};

class CollectorRig : public testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("nats", !NatsServer::program().empty());
    auto server = NatsServer::start("max_payload: 2MB");
    ASSERT_TRUE(server.ok()) << server.error().message;
    nats = std::move(server).value();
    std::string name = testing::TempDir() + "shrike-collector-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir = name;
    config.state_dir = dir + "/state";
    config.nats.url = nats->url();
    config.api.listen = "127.0.0.1:0";
    config.store.min_free_bytes = 1u << 20;
    config.nodes.trust_first = true;
  }
  void TearDown() override {
    collector.reset();
    if (!dir.empty()) std::filesystem::remove_all(dir);
  }

  void start() {
    auto started = collector::Collector::start(config);
    ASSERT_TRUE(started.ok()) << started.error().message;
    collector = std::move(started).value();
    ASSERT_TRUE(eventually([&] { return collector->status() == "accepting"; })) << collector->status();
    key = PublicKey::from_hex(read_file(config.state_dir + "/key.pub")->substr(0, 64)).value();
    // Streams are made a moment after the connection.
    agent = std::make_unique<MadeAgent>(nats->url());
    agent->meanwhile = [this] { collector->tick(); };
  }
  /// Publishes until the stream is there.
  void send(const MadeChain& chain, const std::string& bytes) {
    ASSERT_TRUE(eventually([&] { return agent->publish(chain, bytes); }));
  }
  std::unique_ptr<httplib::Client> client() const {
    const std::string address = collector->api_address();
    auto made = std::make_unique<httplib::Client>("127.0.0.1", std::stoi(address.substr(address.rfind(':') + 1)));
    std::string token = read_file(config.state_dir + "/token").value();
    token.pop_back();
    made->set_bearer_token_auth(token);
    made->set_read_timeout(30);
    return made;
  }
  std::string get(const std::string& path) const {
    const auto answer = client()->Get(path);
    return answer ? answer->body : "no answer: " + httplib::to_string(answer.error());
  }

  std::unique_ptr<NatsServer> nats;
  std::string dir;
  collector::Config config;
  std::unique_ptr<collector::Collector> collector;
  std::unique_ptr<MadeAgent> agent;
  PublicKey key;
};

}  // namespace shrike::test
