#pragma once
// As much of a collector as a publisher's tests need: takes batches from JetStream, judges them, acknowledges.

#include <nats/nats.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/wire/subjects.h"
#include "tests/unit/ship/verifier.h"

namespace shrike::ship::test {

class MiniCollector {
 public:
  /// Begins at once; makes the streams when `with_streams`.
  explicit MiniCollector(std::string url, const PublicKey& node_key) : url_(std::move(url)), node_key_(node_key) {}
  ~MiniCollector() { stop(); }

  void start() {
    stop_ = false;
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  /// Waits until the lane's chain has come to `seq`. False when it has not within ten seconds.
  bool wait_for(Lane lane, uint64_t seq) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return verifier(lane).head.seq >= seq; });
  }
  [[nodiscard]] uint64_t events(Lane lane) {
    const std::lock_guard lock(mutex_);
    return verifier(lane).events;
  }
  /// Verdicts that were neither accepted nor duplicate nor gap.
  [[nodiscard]] std::vector<std::string> complaints() {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }
  [[nodiscard]] uint64_t gaps() const { return gaps_; }

  /// Called with each batch; true: it is taken from the stream and forgotten, as if it had been lost.
  std::function<bool(const OpenBatch&)> lose = [](const OpenBatch&) { return false; };
  PrivateKey key = PrivateKey::generate();

 private:
  Verifier& verifier(Lane lane) { return verifiers_[lane == Lane::alerts ? 0 : 1]; }

  void run() {
    natsOptions* options = nullptr;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url_.c_str());
    natsOptions_SetMaxReconnect(options, -1);
    natsOptions_SetReconnectWait(options, 50);
    natsOptions_SetRetryOnFailedConnect(options, true, nullptr, nullptr);
    natsConnection* connection = nullptr;
    natsConnection_Connect(&connection, options);
    jsCtx* js = nullptr;
    jsOptions js_options;
    jsOptions_Init(&js_options);
    js_options.Wait = 1000;
    natsConnection_JetStream(&js, connection, &js_options);
    natsSubscription* subscriptions[2] = {nullptr, nullptr};
    auto told = std::chrono::steady_clock::now();
    while (!stop_) {
      for (const Lane lane : {Lane::alerts, Lane::telemetry}) {
        natsSubscription*& subscription = subscriptions[lane == Lane::alerts ? 0 : 1];
        if (subscription == nullptr) subscription = subscribe(js, lane);
        if (subscription != nullptr) fetch(connection, subscription);
      }
      // Acknowledgements may be lost; they are repeated.
      if (std::chrono::steady_clock::now() - told < std::chrono::milliseconds(200)) continue;
      told = std::chrono::steady_clock::now();
      for (const Lane lane : {Lane::alerts, Lane::telemetry}) acknowledge(connection, lane, Verdict::accepted);
    }
    for (natsSubscription* subscription : subscriptions) natsSubscription_Destroy(subscription);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
  }

  static natsSubscription* subscribe(jsCtx* js, Lane lane) {
    const std::string name = lane == Lane::alerts ? "SHRIKE_ALERTS" : "SHRIKE_TELEMETRY";
    const std::string filter = "shrike.v1." + std::string(lane_name(lane)) + ".>";
    const char* subjects[] = {filter.c_str()};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = name.c_str();
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Retention = js_WorkQueuePolicy;
    js_AddStream(nullptr, js, &config, nullptr, nullptr);
    natsSubscription* subscription = nullptr;
    js_PullSubscribe(&subscription, js, filter.c_str(), "mini", nullptr, nullptr, nullptr);
    return subscription;
  }

  void fetch(natsConnection* connection, natsSubscription* subscription) {
    natsMsgList list{};
    if (natsSubscription_Fetch(&list, subscription, 50, 20, nullptr) != NATS_OK) return;
    for (int i = 0; i < list.Count; ++i) {
      take(connection, {natsMsg_GetData(list.Msgs[i]), static_cast<size_t>(natsMsg_GetDataLength(list.Msgs[i]))});
      natsMsg_Ack(list.Msgs[i], nullptr);
    }
    natsMsgList_Destroy(&list);
  }

  void take(natsConnection* connection, std::string_view bytes) {
    const auto batch = open_batch(bytes);
    if (batch && lose(*batch)) return;
    Lane lane = Lane::telemetry;
    Judgement judgement{Verdict::malformed, "malformed", false};
    {
      const std::lock_guard lock(mutex_);
      if (batch && !verify_signature(*batch, node_key_))
        judgement = {Verdict::forged, "forged", false};
      else if (batch)
        judgement = verifier(lane = batch->header.lane).take(*batch);
      if (judgement.verdict == Verdict::gap)
        ++gaps_;
      else if (judgement.verdict != Verdict::accepted && judgement.verdict != Verdict::duplicate)
        complaints_.push_back(judgement.reason);
    }
    changed_.notify_all();
    if (batch) acknowledge(connection, lane, judgement.verdict);
  }

  void acknowledge(natsConnection* connection, Lane lane, Verdict verdict) {
    AckBody ack;
    {
      const std::lock_guard lock(mutex_);
      const ChainHead& head = verifier(lane).head;
      if (head.seq == 0) return;
      ack.node = "web-1";
      ack.boot = head.boot;
      ack.lane = lane;
      ack.seq = head.seq;
      ack.hash = head.hash;
      ack.collector = "mini";
      ack.verdict = verdict;
    }
    const std::string bytes = seal_ack(ack, key);
    natsConnection_Publish(connection, ack_subject("web-1").c_str(), bytes.data(), static_cast<int>(bytes.size()));
  }

  const std::string url_;
  const PublicKey node_key_;
  std::thread thread_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  Verifier verifiers_[2];
  std::vector<std::string> complaints_;
  std::atomic<uint64_t> gaps_{0};
};

}  // namespace shrike::ship::test
