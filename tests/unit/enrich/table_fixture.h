#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "agent/enrich/process_table.h"

namespace shrike::enrich::test {

/// Answers from fixed rules: user "u<uid>", a container for cgroup 7.
class FakeLookup : public Lookup {
 public:
  const Container* container(const Task& task) override {
    ++asked;
    return task.cgroup_id == 7 ? &seven : nullptr;
  }
  std::string_view user(uint32_t uid) override { return text = "u" + std::to_string(uid); }
  std::string_view group(uint32_t gid) override { return text = "g" + std::to_string(gid); }
  Container seven{"0123456789abcdef", "docker", "/docker/0123456789abcdef"};
  std::string text;
  int asked = 0;
};

inline Task task(uint32_t pid, uint64_t start, uint32_t ppid = 0, uint64_t parent_start = 0,
                 std::string_view comm = "prog") {
  Task out;
  out.tid = out.pid = out.vpid = pid;
  out.start_ns = start;
  out.ppid = ppid;
  out.parent_start_ns = parent_start;
  std::memcpy(out.comm.data(), comm.data(), std::min(comm.size(), out.comm.size()));
  return out;
}

inline Event event(EventKind kind, const Task& by, uint64_t at) {
  Event out;
  out.kind = kind;
  out.task = by;
  out.boot_ns = at;
  out.time_ns = at + 1'000'000'000'000;
  return out;
}

inline Event forked(const Task& by, uint32_t child, uint64_t at) {
  Event out = event(EventKind::fork, by, at);
  out.arg[1] = out.arg[2] = out.arg[4] = child;
  out.arg[3] = at;
  out.result = child;
  return out;
}

inline Event executed(const Task& by, uint64_t at, std::string_view exe, std::string_view argv) {
  Event out = event(EventKind::exec, by, at);
  out.real_path = exe;
  out.path.text = exe;
  out.path2.text = argv;
  out.cwd = "/home";
  return out;
}

class Table : public ::testing::Test {
 protected:
  const Process& apply(Event given) {
    table.apply(given);
    return *given.process;
  }
  FakeLookup lookup;
  ProcessTable table{{.processes = 64, .text_bytes = 0, .keep_exited_ns = 5'000'000'000}, lookup};
};

}  // namespace shrike::enrich::test
