#pragma once
// A real agent of one test's own: private state, private configuration, ended by its pid.

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/ship/spool.h"
#include "collector/ctl/child.h"
#include "collector/ctl/notify.h"
#include "common/base/file.h"
#include "common/wire/codec.h"
#include "tests/unit/ctl/temporary.h"

namespace shrike::test {

class AgentRig {
 public:
  static constexpr std::chrono::seconds patience{60};

  static bool can_run() {
    return ::geteuid() == 0 && ::access("/sys/kernel/btf/vmlinux", R_OK) == 0 &&
           !ctl::find_program("shrike-agent").empty();
  }

  explicit AgentRig(const std::string& nats_url = "nats://127.0.0.1:1") {
    write_rules("shadow");
    files.file("agent.toml", "node = \"rig\"\nstate_dir = \"state\"\n[nats]\nurl = \"" + nats_url +
                                 "\"\nca_file = \"ca.pem\"\n[collector]\npublic_key_file = \"collector.pub\"\n" +
                                 "[rules]\nfiles = [\"rules.yaml\"]\n[metrics]\nlisten = \"\"\n");
  }

  /// One rule, named, that fires when the file that `touch` reads is read.
  void write_rules(const std::string& rule, const std::string& field = "fd.name") const {
    files.file("rules.yaml", "- rule: " + rule + "\n  desc: d\n  condition: evt.type in (open, openat) and " + field +
                                 " = " + std::filesystem::canonical(files.dir()).string() +
                                 "/secret\n  output: read by %proc.name\n  priority: WARNING\n");
    files.file("secret", "s");
  }

  /// Starts it and waits until it says that it is ready.
  testing::AssertionResult start() {
    auto opened = ctl::NotifySocket::open();
    if (!opened) return testing::AssertionFailure() << opened.error().message;
    notify.emplace(std::move(*opened));
    auto child = ctl::Child::start({"shrike-agent",
                                    {ctl::find_program("shrike-agent"), "--config", files.dir() + "/agent.toml"},
                                    {notify->environment()},
                                    files.dir() + "/log"});
    if (!child) return testing::AssertionFailure() << child.error().message;
    agent.emplace(std::move(*child));
    return wait([&] { return notify->ready() || agent->ended(); }) && !agent->ended()
               ? testing::AssertionSuccess()
               : testing::AssertionFailure() << "not ready: " << log();
  }
  /// SIGTERM, and how it ended.
  ctl::ChildEnd stop() { return agent->stop(patience); }

  template <class Done>
  static bool wait(Done done) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  [[nodiscard]] bool wait_log(const std::string& text) const {
    return wait([&] { return log().find(text) != std::string::npos; });
  }
  [[nodiscard]] std::string log() const {
    const auto text = read_file(files.dir() + "/log");
    return text ? *text : text.error().message;
  }
  /// Another process reads the secret.
  void touch() const {
    auto cat = ctl::Child::start({"cat", {"/bin/cat", files.dir() + "/secret"}, {}, "/dev/null"});
    if (cat) (void)cat->ended(patience);
  }

  /// All alerts in the spool of an agent that is not running, in order.
  [[nodiscard]] std::vector<Alert> alerts() const {
    std::vector<Alert> out;
    auto key = PrivateKey::load(files.dir() + "/state/key");
    if (!key) return out;
    auto spool = ship::Spool::open({.state_dir = files.dir() + "/state"}, {"rig", *key, "test"});
    if (!spool) return out;
    for (;;) {
      auto batch = (*spool)->next(Lane::alerts);
      if (!batch || !*batch) return out;
      const auto open = open_batch((*batch)->bytes);
      if (!open || !verify_signature(*open, key->public_key())) continue;
      const auto payload = open_payload(*open);
      if (!payload) continue;
      for (const auto event : payload->events)
        if (auto alert = decode_alert(event)) out.push_back(std::move(*alert));
    }
  }

  ctl::Temporary files;
  std::optional<ctl::NotifySocket> notify;
  std::optional<ctl::Child> agent;
};

}  // namespace shrike::test
