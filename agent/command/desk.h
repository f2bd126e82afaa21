#pragma once
// What becomes of each message that arrives on the node's command subject.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/command/assembly.h"
#include "agent/command/book.h"
#include "common/wire/command_news.h"

namespace shrike::command {

/// How far the agent's and the collector's clocks may differ for a command to be judged in time.
inline constexpr uint64_t clock_tolerance_ns = 120'000'000'000;

struct Now {
  uint64_t wall_ns = 0;
  uint64_t boot_ns = 0;
};

/// Why a message was not obeyed, for an integrity alert.
struct Refusal {
  enum class Kind : uint8_t {
    forged,       ///< not signed by the collector, or not what was signed
    misdirected,  ///< signed, for another node
    reused,       ///< the id of a command that was another one
    refused,      ///< signed, for this node, and not obeyed
    damage        ///< our own memory of commands could not be read or written
  };
  Kind kind = Kind::forged;
  std::string message;
  std::string id;  ///< where the signature holds
};

/// An order to be carried out now; it counts as started.
struct Order {
  CommandHeader header;
  Fd body;  ///< to be read; its name is gone already
};

class CommandDesk {
 public:
  struct Outcome {
    std::vector<CommandNews> news;
    std::vector<Refusal> refusals;
  };
  static constexpr size_t assemblies_max = 4;

  /// `folder` is made, and what an earlier run left in it cleared up; `node`: ours. Errors: errno.
  static Result<CommandDesk> open(const std::string& folder, std::string node, Now now);

  /// Which kinds are obeyed; by default none. `why` is told where one is not.
  void allow(std::set<CommandKind> kinds, std::string why);
  /// Judges one message of anybody's. Cost: 70 us, and a part's writing.
  void take(std::string_view message, const PublicKey& collector, Now now, Outcome& out);
  /// Once a second: asks for parts that do not come, gives up what was begun long ago.
  void tick(Now now, Outcome& out);
  /// The oldest order that waits, as started; nothing when none does or `out` got the reason why it cannot be.
  std::optional<Order> next(CommandKind kind, Now now, Outcome& out);
  /// An order has ended: `done` or `failed`.
  void finish(const std::string& id, CommandState state, const std::string& reason, Outcome& out);

 private:
  CommandDesk(std::string folder, std::string node, CommandBook book)
      : folder_(std::move(folder)), node_(std::move(node)), book_(std::move(book)) {}

  [[nodiscard]] std::optional<std::string> reason_to_refuse(const CommandHeader& header, Now now) const;
  void refuse(const OpenCommand& command, const std::string& reason, Now now, Outcome& out);
  void repeat(const CommandBook::Entry& entry, Now now, Outcome& out);
  void assemble(const OpenCommand& command, Now now, Outcome& out);
  void complete(Assembly& assembly, Now now, Outcome& out);
  void ask(Assembly& assembly, Now now, Outcome& out);
  void change(const std::string& id, CommandState state, const std::string& reason, Outcome& out);
  void clear_up();
  [[nodiscard]] bool told_lately(const Digest& digest, Now now, uint64_t pause_ns);
  [[nodiscard]] std::string body_path(std::string_view id) const { return folder_ + "/" + std::string(id) + ".body"; }
  [[nodiscard]] std::string part_path(std::string_view id) const { return folder_ + "/" + std::string(id) + ".part"; }

  std::string folder_;
  std::string node_;
  CommandBook book_;
  std::set<CommandKind> allowed_;
  std::string not_allowed_ = "this node takes no orders";
  std::map<std::string, Assembly> assemblies_;
  std::deque<std::pair<Digest, uint64_t>> told_;  // what was answered lately, and when (boot time)
  Outcome early_;                                 // of what was found at the start
};

}  // namespace shrike::command
