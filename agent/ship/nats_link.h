#pragma once
// One connection to NATS and what comes out of it. Its .cc is the only file here that includes nats.h.

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/wire/batch.h"

namespace shrike::ship {

/// What the library's threads, and the thread that seals, leave for the publisher's. Shared by the link, whose
/// callbacks may outlive it when the library hangs, and by the spool's notification.
struct Mailbox {
  static constexpr size_t acks_max = 4096;
  static constexpr size_t command_bytes_max = 16u << 20;

  struct News {
    std::deque<std::string> acks;
    std::deque<std::string> commands;
    size_t command_bytes = 0;
    uint64_t commands_dropped = 0;                      ///< more than command_bytes_max came at once
    std::array<std::optional<std::string>, 2> refused;  ///< by lane: why the server did not store a batch
    std::optional<std::string> error;                   ///< what the server or the library said
    bool closed = false;
  };

  std::mutex mutex;
  std::condition_variable wake;
  bool any = false;
  bool stop = false;
  int subscriptions_done = 0;
  News news;

  /// Changes the box and wakes who waits, all of it under its lock: who sees `closed` may free the box at once.
  template <class Change>
  void post(Change change) {
    const std::lock_guard lock(mutex);
    change(*this);
    any = true;
    wake.notify_all();
  }
  /// Empties it, but for `closed`, which stays until the link is made again.
  News take();
};

class NatsLink {
 public:
  struct Options {
    std::string url;
    std::string ca_file;
    std::optional<PrivateKey> nkey;
    std::string node;
    bool commands = false;  ///< also what comes on the node's command subject
  };

  /// Errors: options the library refuses, by name.
  static Result<std::unique_ptr<NatsLink>> create(Options options, std::shared_ptr<Mailbox> mailbox);
  ~NatsLink();
  NatsLink(const NatsLink&) = delete;
  NatsLink& operator=(const NatsLink&) = delete;

  /// Connects and subscribes; takes three seconds at most for each server of the url. Errors: what the server said.
  Result<void> connect();
  [[nodiscard]] bool connected() const { return connection_ != nullptr; }
  /// Ends the connection; after it no callback runs any more, unless the library hangs for five seconds.
  void disconnect();
  /// Why the connection was closed.
  [[nodiscard]] std::string last_error() const;
  /// Hands a batch to JetStream under a message id. That it was taken says nothing about where it is.
  Result<void> publish(Lane lane, const std::string& id, std::string_view bytes);

 private:
  struct Handles;
  NatsLink(Options options, std::shared_ptr<Mailbox> mailbox);
  Result<void> configure();

  Options options_;
  std::shared_ptr<Mailbox> mailbox_;
  std::string nkey_;
  std::array<std::string, 2> subjects_;
  std::array<std::string, 2> replies_;
  std::unique_ptr<Handles> handles_;
  void* connection_ = nullptr;  ///< handles_' natsConnection, while there is one
};

}  // namespace shrike::ship
