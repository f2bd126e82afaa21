#pragma once
// A made-up process with a parent and grandparent, and one event it causes.

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <vector>

#include "common/wire/event.h"
#include "scoring/rules/engine.h"

namespace shrike::scoring {

class Scene {
 public:
  explicit Scene(EventKind kind) {
    event.kind = kind;
    event.time_ns = 1'700'000'000'000'000'000;
    event.boot_ns = 100'000'000'000;
    init_.pid = 1;
    init_.name = "systemd";
    init_.exe = "/usr/lib/systemd/systemd";
    parent_.pid = 100;
    parent_.name = "bash";
    parent_.exe = "/usr/bin/bash";
    parent_.argv = {"bash"};
    parent_.parent = &init_;
    self_.pid = 200;
    self_.ppid = 100;
    self_.start_ns = 99'000'000'000;
    self_.parent = &parent_;
    program("/usr/bin/example");
    uid(1000);
    event.task.pid = event.task.tid = 200;
    event.task.ppid = 100;
    event.task.session = 100;
    event.task.start_ns = self_.start_ns;
    event.process = &self_;
    if (kind == EventKind::exec_failed) event.result = -2;
    if (kind == EventKind::open) event.result = 3;
  }
  Scene(const Scene&) = delete;

  Scene& program(std::string exe, std::vector<std::string> arguments = {}) {
    self_.exe = exe;
    self_.name = exe.substr(exe.rfind('/') + 1).substr(0, 15);
    self_.argv = {self_.name};
    self_.argv.insert(self_.argv.end(), arguments.begin(), arguments.end());
    event.task.comm.fill(0);
    std::copy(self_.name.begin(), self_.name.end(), event.task.comm.begin());
    return *this;
  }
  Scene& argv0(std::string text) {
    self_.argv[0] = std::move(text);
    return *this;
  }
  Scene& child_of(std::string exe, std::vector<std::string> arguments = {}) {
    parent_.exe = exe;
    parent_.name = exe.substr(exe.rfind('/') + 1).substr(0, 15);
    parent_.argv = {parent_.name};
    parent_.argv.insert(parent_.argv.end(), arguments.begin(), arguments.end());
    return *this;
  }
  Scene& uid(uint32_t id) {
    event.task.uid = event.task.euid = event.task.suid = id;
    event.task.gid = event.task.egid = id;
    self_.task = event.task;
    self_.user = id == 0 ? "root" : "alice";
    return *this;
  }
  Scene& euid(uint32_t id) {
    event.task.euid = id;
    return *this;
  }
  Scene& parent_uid(uint32_t id) {
    parent_.task.uid = id;
    return *this;
  }
  Scene& in_container() {
    container_.id = "0123456789abcdef0123456789abcdef";
    container_.runtime = "docker";
    self_.container = parent_.container = &container_;
    return *this;
  }
  /// The path as given, absolute, which is also the object's own.
  Scene& path(std::string_view text) {
    event.path.text = event.full_path = text;
    if (event.result >= 0) event.real_path = text;
    return *this;
  }
  Scene& real(std::string_view text) {
    event.real_path = text;
    return *this;
  }
  Scene& path2(std::string_view text) {
    event.path2.text = event.full_path2 = text;
    return *this;
  }
  Scene& opens(std::string_view text, uint64_t flags) {
    event.arg[0] = flags;
    return path(text);
  }
  Scene& reads(std::string_view text) { return opens(text, O_RDONLY); }
  Scene& writes(std::string_view text) { return opens(text, O_WRONLY | O_CREAT | O_TRUNC); }
  Scene& fails(int code) {
    event.result = -code;
    event.real_path = {};
    return *this;
  }
  Scene& arg(size_t index, uint64_t value) {
    event.arg[index] = value;
    return *this;
  }
  Scene& flag(uint16_t bits) {
    event.flags = static_cast<uint16_t>(event.flags | bits);
    return *this;
  }
  Scene& call(int number) {
    event.syscall = number;
    return *this;
  }
  Scene& tcp(std::array<uint8_t, 4> local, uint16_t local_port, std::array<uint8_t, 4> remote, uint16_t remote_port) {
    event.socket.family = 2;
    event.socket.type = 1;
    std::copy(local.begin(), local.end(), event.socket.local.begin());
    std::copy(remote.begin(), remote.end(), event.socket.remote.begin());
    event.socket.local_port = local_port;
    event.socket.remote_port = remote_port;
    return *this;
  }
  Scene& unix_socket(std::string_view where) {
    event.socket.family = 1;
    event.socket_path = where;
    return *this;
  }
  Container& container() { return container_; }
  Process& self() { return self_; }
  Process& parent() { return parent_; }

  Event event;

 private:
  Process init_, parent_, self_;
  Container container_;
};

/// Names of the rules that fire.
inline std::vector<std::string> fired(const RuleSet& rules, const Event& event) {
  std::vector<Alert> alerts;
  rules.evaluate(event, alerts);
  std::vector<std::string> names;
  for (const Alert& alert : alerts) names.push_back(alert.rule);
  return names;
}

/// A file with one rule of this condition.
inline std::string rule_text(const std::string& condition, const std::string& before = {}) {
  return before + "- rule: R\n  desc: d\n  condition: >\n    " + condition +
         "\n  output: o %proc.name\n  priority: WARNING\n  tags: [T1003.008, host]\n";
}

/// Whether the one rule of `condition` fires. Aborts when it does not compile: use compile_error for those.
inline bool holds(const std::string& condition, const Event& event, const std::string& before = {}) {
  auto rules = RuleSet::compile({{"t.yaml", rule_text(condition, before)}}, nullptr, {.hostname = "web-1"});
  return !fired(rules.value(), event).empty();
}

/// Why a file does not compile; empty when it does.
inline std::string compile_error(const std::string& text) {
  auto rules = RuleSet::compile({{"t.yaml", text}}, nullptr);
  return rules.ok() ? "" : rules.error().message;
}

}  // namespace shrike::scoring
