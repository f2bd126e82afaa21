#pragma once
// Runs a program in a sandbox of its own, and keeps all that is told of it.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/client.h"
#include "tests/require.h"

namespace shrike::sandbox::test {

struct Ran {
  Report report;
  std::string out, err;
  std::vector<Call> calls;
  std::string refused;  ///< why there is no report

  [[nodiscard]] const Refusal* refusal(const std::string& call) const {
    const auto found = std::find_if(report.refusals.begin(), report.refusals.end(),
                                    [&](const Refusal& r) { return r.call.starts_with(call); });
    return found == report.refusals.end() ? nullptr : &*found;
  }
};

struct Asked {
  Job job;
  std::map<std::string, std::string> files;  ///< path in the sandbox to bytes
  bool notify = false;                       ///< not by eBPF
  std::string input;
  bool keep_calls = true;
};

/// A job for a program of this build's or this host's.
inline Asked ask(const std::string& program, std::vector<std::string> words = {}) {
  static int count = 0;
  Asked asked;
  asked.job.id = "test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  asked.job.caller = "local:" + std::to_string(::getuid());
  asked.job.program = "/tmp/" + program.substr(program.rfind('/') + 1);
  asked.job.arguments = {program};
  asked.job.arguments.insert(asked.job.arguments.end(), words.begin(), words.end());
  asked.job.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  asked.job.limits.wall = std::chrono::seconds(30);
  return asked;
}

inline std::string own_program(const std::string& name) { return SHRIKE_PROGRAMS_DIR "/" + name; }

inline Ran run(Asked asked) {
  Ran ran;
  const auto gave_up = [&](const Error& error) {
    ran.refused = error.message;
    return std::move(ran);
  };
  JobFiles files;
  auto program = sealed_file(asked.job.arguments[0]);
  if (!program) return gave_up(program.error());
  files.program = std::move(*program);
  for (const auto& [path, bytes] : asked.files) {
    asked.job.files.push_back({path, 0755});
    files.files.push_back(std::move(*sealed_bytes(bytes, "file")));
  }
  if (!asked.input.empty()) {
    asked.job.has_input = true;
    files.input = std::move(*sealed_bytes(asked.input, "input"));
  }
  ClientOptions options;
  options.socket.clear();
  options.program = SHRIKE_BIN_DIR "/shrike-sandbox";
  if (asked.notify) options.options = {"--trace", "notify"};
  auto client = JobClient::start(options, asked.job, files);
  if (!client) return gave_up(client.error());
  JobEvents events;
  events.out = [&](std::string_view text) { ran.out += text; };
  events.err = [&](std::string_view text) { ran.err += text; };
  events.call = [&](const Call& call) {
    if (asked.keep_calls) ran.calls.push_back(call);
  };
  auto report = client->finish(events);
  if (!report) return gave_up(report.error());
  ran.report = std::move(*report);
  return ran;
}

/// Both ways of telling calls.
class Sandboxed : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { SHRIKE_NEED("root", ::geteuid() == 0); }
  static Ran run_here(Asked asked) {
    asked.notify = GetParam();
    Ran ran = run(std::move(asked));
    EXPECT_EQ(ran.refused, "");
    EXPECT_NE(ran.report.status, Status::setup_error) << ran.report.cause;
    EXPECT_NE(ran.report.status, Status::internal_error) << ran.report.cause;
    EXPECT_EQ(ran.report.trace, GetParam() ? "notify" : "ebpf");
    return ran;
  }
};

inline std::string tracer_name(const ::testing::TestParamInfo<bool>& info) { return info.param ? "Notify" : "Ebpf"; }

}  // namespace shrike::sandbox::test
