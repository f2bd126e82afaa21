#pragma once
// Sends commands until their nodes have them, or they expire. Thread-safe; one thread of its own.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "collector/command_store.h"

namespace shrike::collector {

struct NewCommand {
  std::string node;
  std::string id;  ///< empty: one is made
  CommandKind kind = CommandKind::detonate;
  uint64_t life_ns = 600'000'000'000;
  std::string body;
};

class CommandSender {
 public:
  struct Options {
    std::string path;  ///< commands.sqlite
    PrivateKey key;
    std::string collector;
    /// Publishes on a node's command subject; false while there is no connection.
    std::function<bool(const std::string& node, std::string_view bytes)> send;
    std::function<void(bool trouble, const std::string&)> note;
  };
  /// Errors: the store's.
  static Result<std::unique_ptr<CommandSender>> open(Options options);
  ~CommandSender();

  struct Added {
    CommandRow row;
    bool was_there = false;  ///< the same command had been given before
  };
  /// Signs and keeps it on the disk; then it is sent. Errors: EEXIST: the id is another command's; ENOSPC: too much
  /// waits; what is out of bounds.
  Result<Added> add(const NewCommand& command, uint64_t now_ns);
  Result<std::vector<CommandRow>> list(const CommandQuery& query);
  /// What a node's verified event says of a command. What is not about this node's very command is passed over. Never
  /// waits; when too much comes at once some is dropped, and the node asked again.
  void news(const std::string& node, CommandNews news);
  /// A node has sent something. Never waits.
  void heard(const std::string& node);
  void start();
  void stop();

 private:
  explicit CommandSender(Options options, CommandStore store)
      : options_(std::move(options)), store_(std::move(store)) {}
  struct Plan {
    std::chrono::steady_clock::time_point next{};       // offer it then
    std::vector<std::pair<uint32_t, uint32_t>> wanted;  // parts to be sent
  };
  using Clock = std::chrono::steady_clock;
  struct Message {
    std::string node;
    std::string bytes;
  };
  struct NodeNews {
    std::string node;
    CommandNews news;
  };
  static constexpr size_t news_max = 4096;

  void run();
  Result<void> round(uint64_t now_ns, std::vector<Message>& out);
  Result<void> take(const NodeNews& one, uint64_t now_ns);
  Result<void> serve(const CommandRow& row, uint64_t now_ns, size_t& budget, std::vector<Message>& out);
  Result<void> change(CommandRow row, std::string state, std::string reason, uint64_t now_ns);
  Result<void> add_parts(const CommandRow& row, Plan& plan, size_t& budget, std::vector<Message>& out);
  [[nodiscard]] bool is_alive(const std::string& node);

  Options options_;
  // Two locks: whoever judges batches must never wait for a disk or a connection.
  std::mutex inbox_mutex_;
  std::condition_variable wake_;
  std::deque<NodeNews> news_;
  std::map<std::string, Clock::time_point> heard_;  // by node
  bool work_ = false;
  bool returned_ = true;  // a node has come back: what waits is offered at once
  bool stopping_ = false;
  std::mutex store_mutex_;
  CommandStore store_;
  std::map<std::string, Plan> plans_;  // by id, of what is not over
  std::string last_trouble_;
  std::thread thread_;
};

}  // namespace shrike::collector
