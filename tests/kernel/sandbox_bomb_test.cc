// Programs that take all they can get, or do not end: each is bounded, ended, told, and leaves nothing.

#include <filesystem>

#include "common/base/file.h"
#include "tests/kernel/sandbox_rig.h"

namespace shrike::sandbox::test {
namespace {

Asked bomb(const std::string& what) {
  Asked asked = ask(own_program("sandbox_bomb"), {what});
  asked.keep_calls = false;
  asked.job.limits.wall = std::chrono::milliseconds(1000);
  asked.job.limits.memory_bytes = 64u << 20;
  asked.job.limits.output_bytes = 10'000;
  asked.job.limits.file_bytes = 5'000'000;
  asked.job.limits.files = 500;
  asked.job.limits.processes = 32;
  return asked;
}

/// One that ends by itself, however busy this host is.
Asked ending_bomb(const std::string& what) {
  Asked asked = bomb(what);
  asked.job.limits.wall = std::chrono::seconds(60);
  return asked;
}

/// Processes of this host that run one of ours.
size_t left_processes() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = read_file(entry.path().string() + "/comm", 64);
    if (name && name->starts_with("sandbox_bomb")) ++count;
  }
  return count;
}

class Bomb : public Sandboxed {
 protected:
  void TearDown() override { EXPECT_EQ(left_processes(), 0u); }
};

TEST_P(Bomb, WhatDoesNotEndIsEnded) {
  for (const char* what : {"sleep", "spin", "stop", "daemon", "fork", "refused", "signals"}) {
    const Ran ran = run_here(bomb(what));
    EXPECT_EQ(ran.report.status, Status::timed_out) << what << ": " << ran.report.cause;
    EXPECT_NE(ran.report.cause.find("ms went by"), std::string::npos) << what << ": " << ran.report.cause;
    EXPECT_EQ(left_processes(), 0u) << what;
    EXPECT_EQ(ran.report.notes.size(), GetParam() ? 2u : 0u) << what;
  }
}

TEST_P(Bomb, ProcessorTimeIsBounded) {
  Asked asked = bomb("spin");
  asked.job.limits.wall = std::chrono::seconds(30);
  asked.job.limits.cpu = std::chrono::milliseconds(200);
  const Ran ran = run_here(std::move(asked));
  EXPECT_EQ(ran.report.status, Status::timed_out);
  EXPECT_NE(ran.report.cause.find("processor time"), std::string::npos) << ran.report.cause;
  EXPECT_GE(ran.report.cpu_ns, 200'000'000u);
}

TEST_P(Bomb, MemoryIsBounded) {
  const Ran ran = run_here(ending_bomb("memory"));
  EXPECT_EQ(ran.report.status, Status::signalled) << ran.report.cause;
  EXPECT_EQ(ran.report.signal, SIGKILL);
  EXPECT_NE(ran.report.cause.find("bytes of memory"), std::string::npos) << ran.report.cause;
  EXPECT_LE(ran.report.peak_memory_bytes, 64u << 20);
}

TEST_P(Bomb, OutputIsKeptUpToItsLimitAndTheRestCounted) {
  const Ran ran = run_here(bomb("output"));
  EXPECT_EQ(ran.out.size(), 10'000u);
  EXPECT_EQ(ran.err.size(), 10'000u);
  EXPECT_EQ(ran.report.stdout_kept, 10'000u);
  EXPECT_GT(ran.report.stdout_dropped, 100'000u);
  EXPECT_GT(ran.report.stderr_dropped, 100'000u);
}

TEST_P(Bomb, DescriptorsThreadsAndFilesEndWithAnErrorOfTheirs) {
  const Ran descriptors = run_here(ending_bomb("fd"));
  EXPECT_EQ(descriptors.out, "1021 descriptors\n");
  const Ran threads = run_here(ending_bomb("thread"));
  EXPECT_EQ(threads.out, "31 threads\n");
  const Ran files = run_here(ending_bomb("files"));
  EXPECT_EQ(files.report.status, Status::ok);
  EXPECT_GE(files.report.artefacts.size(), 499u);
  EXPECT_LE(files.report.artefacts.size(), 501u);
  const Ran disk = run_here(ending_bomb("disk"));
  EXPECT_EQ(disk.report.status, Status::ok);
  uint64_t sum = 0;
  for (const auto& artefact : disk.report.artefacts) sum += artefact.size_bytes;
  EXPECT_GT(sum, 4'000'000u);
  EXPECT_LE(sum, 5'005'000u);
}

TEST_P(Bomb, TheListsOfTheReportAreBounded) {
  Asked asked = ending_bomb("files");
  asked.job.limits.files = 3000;
  const Ran ran = run_here(std::move(asked));
  EXPECT_EQ(ran.report.artefacts.size(), report_list_max);
  EXPECT_GE(ran.report.artefacts_dropped, 1990u) << ran.out << ran.report.cause;
}

INSTANTIATE_TEST_SUITE_P(Tracer, Bomb, ::testing::Values(false, true), tracer_name);

}  // namespace
}  // namespace shrike::sandbox::test
