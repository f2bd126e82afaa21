#pragma once
// A desk in a folder of its own, a collector's key, and a clock that tests set.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "agent/command/desk.h"

namespace shrike::command {

inline constexpr uint64_t second_ns = 1'000'000'000;

class DeskTest : public testing::Test {
 protected:
  DeskTest() {
    // In memory: a full book is written and synced thousands of times.
    std::string pattern = (std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : testing::TempDir()) + "/deskXXXXXX";
    folder = mkdtemp(pattern.data());
    restart();
  }
  ~DeskTest() override { std::filesystem::remove_all(folder); }

  /// Ends the desk, as a crash would, and opens it again.
  void restart() {
    desk.reset();
    auto opened = CommandDesk::open(folder + "/commands", "web-1", now);
    ASSERT_TRUE(opened) << opened.error().message;
    desk = std::make_unique<CommandDesk>(std::move(opened).value());
    desk->allow({CommandKind::detonate}, "orders to detonate are switched off");
  }
  void pass(uint64_t ns) {
    now.wall_ns += ns;
    now.boot_ns += ns;
  }
  /// A command issued now, valid for ten minutes.
  [[nodiscard]] CommandHeader header(const std::string& id, std::string_view body = "a body") const {
    CommandHeader made;
    made.node = "web-1";
    made.id = id;
    made.issued_ns = now.wall_ns;
    made.expires_ns = now.wall_ns + 600 * second_ns;
    made.collector = "collector";
    describe_body(made, body);
    return made;
  }
  [[nodiscard]] std::string message(const CommandHeader& made, std::string_view body = "a body",
                                    uint32_t part = 0) const {
    return command_message(seal_command(made, key), part, body.substr(part * command_part_bytes, command_part_bytes));
  }
  CommandDesk::Outcome take(const std::string& bytes) {
    CommandDesk::Outcome out;
    desk->take(bytes, key.public_key(), now, out);
    return out;
  }
  CommandDesk::Outcome tick() {
    CommandDesk::Outcome out;
    desk->tick(now, out);
    return out;
  }
  std::optional<Order> next() {
    CommandDesk::Outcome out;
    return desk->next(CommandKind::detonate, now, out);
  }
  /// "accepted", "refused: why", "nothing"; alerts as "forged!", ...
  static std::string told(const CommandDesk::Outcome& out) {
    std::string text;
    for (const auto& news : out.news) {
      text += (text.empty() ? "" : " ") + std::string(command_state_name(news.state));
      if (!news.reason.empty()) text += ": " + news.reason;
    }
    static constexpr const char* kinds[] = {"forged!", "misdirected!", "reused!", "refused!", "damage!"};
    for (const auto& refusal : out.refusals)
      text += (text.empty() ? "" : " ") + std::string(kinds[static_cast<size_t>(refusal.kind)]);
    return text.empty() ? "nothing" : text;
  }
  static std::string read(const Fd& file) {
    std::string text(1u << 20, '\0');
    const ssize_t n = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  const PrivateKey key = PrivateKey::generate();
  std::string folder;
  Now now{1'800'000'000 * second_ns, 5000 * second_ns};
  std::unique_ptr<CommandDesk> desk;
};

}  // namespace shrike::command
