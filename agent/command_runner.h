#pragma once
// The thread that takes the collector's commands: judged by a CommandDesk, carried out one after the other.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/command/desk.h"
#include "agent/detonator.h"
#include "agent/outbox.h"

namespace shrike::agent {

struct CommandRunnerOptions {
  std::string folder;  ///< <state_dir>/commands
  std::string node;
  bool detonate = false;        ///< obeys orders to detonate
  std::string fleet_file = {};  ///< where profiles that the collector sends go; empty: they are not taken
};

class CommandRunner {
 public:
  static constexpr size_t inbox_bytes_max = 32u << 20;
  static constexpr uint64_t messages_per_s = 500;  ///< looked at; a flood of forged ones costs no more

  /// Errors: errno of the folder.
  static Result<std::unique_ptr<CommandRunner>> start(CommandRunnerOptions options, Detonator& detonator,
                                                      Outbox& outbox);
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  /// A message from the bus. Never waits.
  void take(std::string message);
  /// The collector's key, once it is known: until then nothing is obeyed.
  void set_key(const PublicKey& key);
  void stop();

  struct Counts {
    uint64_t messages = 0, dropped = 0, refused = 0;
    uint64_t profiles = 0;  ///< files of profiles taken
  };
  [[nodiscard]] Counts counts() const;

 private:
  CommandRunner(CommandRunnerOptions options, Detonator& detonator, Outbox& outbox, command::CommandDesk desk);
  void run();
  void judge(const std::string& message);
  void begin_next();
  void carry_out(command::Order order);
  Result<std::string> detonate(const command::Order& order);
  Result<std::string> take_profiles(const command::Order& order);
  void tell(const command::CommandDesk::Outcome& out);

  CommandRunnerOptions options_;
  Detonator& detonator_;
  Outbox& outbox_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> inbox_;
  size_t inbox_bytes_ = 0;
  std::optional<PublicKey> key_;
  bool stopping_ = false;
  Counts counts_;
  std::mutex desk_mutex_;
  command::CommandDesk desk_;
  bool busy_ = false;  // an order is being carried out
  std::thread worker_, thread_;
};

}  // namespace shrike::agent
