// bpf/sequence: what is learned, what is told, and what somebody can do about it who knows how it works.

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/probe/sequence_object.h"
#include "common/base/fd.h"
#include "tests/kernel/child.h"
#include "tests/kernel/int80.h"

namespace shrike {
namespace {

using probe::SequenceMode;
using probe::SequenceOptions;
using test::Child;
using test::run_child;
using test::Watch;

// Equal to enum shrike_sequence_what.
constexpr uint64_t new_program = 1, new_ngram = 2, profile_full = 3;
constexpr uint16_t in_i386 = 0x1000, in_x32 = 0x2000, in_uring = 0x3000;

// A program of this test's own, and the probe with sequence scoring on.
class Sequence : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    copy_program();
  }
  // A new file: another program.
  void copy_program() {
    program_ = scratch_ / ("program" + std::to_string(copies_++));
    std::filesystem::copy_file(SHRIKE_PROGRAMS_DIR "/call_pattern", program_);
    ASSERT_EQ(::stat(program_.c_str(), &st_), 0);
  }
  void watch(SequenceOptions options, std::vector<SequenceProfile> known = {}) {
    watch_.reset();
    probe::ProbeOptions all;
    options.known = std::move(known);
    all.sequence = std::move(options);
    watch_ = std::make_unique<Watch>(std::initializer_list<EventKind>{}, FilterSpec{}, all);
    ASSERT_TRUE(watch_->open());
    ASSERT_TRUE(watch_->source().features().sequence)
        << (watch_->source().features().notes.empty() ? "" : watch_->source().features().notes.back());
  }
  static SequenceOptions learning() {
    SequenceOptions options;
    options.mode = SequenceMode::learn;
    return options;
  }
  // New programs settle when they have repeated themselves a few thousand times.
  static SequenceOptions detecting() {
    SequenceOptions options;
    options.mode = SequenceMode::detect;
    options.learn_ns = 0;
    options.learn_calls = 2000;
    return options;
  }
  Child run(std::vector<std::string> words) {
    const Child child = run_child([&] {
      std::vector<char*> argv = {program_.data()};
      for (auto& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(program_.c_str(), argv.data());
      ::_exit(127);
    });
    EXPECT_EQ(child.status, 0);
    return child;
  }
  [[nodiscard]] bool is_ours(const Event& e) const {
    return e.kind == EventKind::sequence && e.object.inode == st_.st_ino;
  }
  size_t told(uint64_t what) {
    return watch_->count([&](const Event& e) { return is_ours(e) && e.arg[0] == what; });
  }
  // The profile of the program; an empty one when there is none.
  [[nodiscard]] SequenceProfile profile() const {
    for (auto& p : watch_->source().sequence_profiles())
      if (p.id.inode == st_.st_ino && p.id.ctime_ns == ctime_ns()) return p;
    return {};
  }
  [[nodiscard]] uint64_t ctime_ns() const {
    return static_cast<uint64_t>(st_.st_ctim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(st_.st_ctim.tv_nsec);
  }
  // As learned in a run of its own, and then settled.
  SequenceProfile learned(const std::vector<std::string>& words) {
    watch(learning());
    for (int i = 0; i < 2; ++i) run(words);
    SequenceProfile p = profile();
    p.settled = true;
    return p;
  }
  [[nodiscard]] probe::SequenceCounters counters() const { return watch_->source().sequence_counters(); }
  static bool has_call(const SequenceProfile& p, uint16_t call) {
    return std::any_of(p.ngrams.begin(), p.ngrams.end(), [&](const Ngram& n) {
      const auto calls = calls_of(n);
      return std::find(calls.begin(), calls.end(), call) != calls.end();
    });
  }

  test::Scratch scratch_;
  std::string program_;
  struct stat st_ {};
  std::unique_ptr<Watch> watch_;
  int copies_ = 0;
};

TEST_F(Sequence, SwitchedOffIsNotLoaded) {
  SHRIKE_NEED("bpf", Watch::possible());
  const auto ids_of = [&](SequenceMode mode) {
    SequenceOptions options;
    options.mode = mode;
    probe::ProbeOptions all;
    all.sequence = options;
    Watch watch({}, FilterSpec{}, all);
    return watch.source().ids().programs.size();
  };
  EXPECT_LT(ids_of(SequenceMode::off), ids_of(SequenceMode::learn));
}

TEST_F(Sequence, LearnsWhatAProgramDoesWithoutAWord) {
  watch(learning());
  run({"usual:100"});
  const SequenceProfile first = profile();
  EXPECT_GT(first.ngrams.size(), 20u);
  EXPECT_LT(first.ngrams.size(), 300u);
  EXPECT_GE(first.calls, 256u);
  EXPECT_TRUE(std::is_sorted(first.ngrams.begin(), first.ngrams.end()));
  run({"usual:100"});
  EXPECT_EQ(profile().ngrams.size(), first.ngrams.size()) << "the same again is nothing new";
  EXPECT_EQ(told(new_ngram), 0u);
}

TEST_F(Sequence, TellsOnlyWhatIsNew) {
  const SequenceProfile known = learned({"usual:1000"});
  watch(detecting(), {known});
  run({"usual:5000"});
  EXPECT_EQ(told(new_ngram), 0u);
  EXPECT_EQ(told(new_program), 0u);
  const Child child = run({"usual:100", "evil", "usual:100"});
  const auto* seen =
      watch_->expect("a new 6-gram", [&](const Event& e) { return is_ours(e) && e.arg[0] == new_ngram; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->task.pid, static_cast<uint32_t>(child.pid));
  EXPECT_EQ((*seen)->syscall, SYS_sched_get_priority_max);
  EXPECT_EQ(static_cast<uint16_t>((*seen)->arg[1]), SYS_sched_get_priority_max);
  EXPECT_EQ((*seen)->arg[4], 1u);
  EXPECT_EQ((*seen)->object.ctime_ns, ctime_ns());
  // One new call is in six windows of six calls; none is told twice.
  EXPECT_EQ(told(new_ngram), 6u);
  run({"usual:100", "evil", "usual:100"});
  EXPECT_EQ(told(new_ngram), 6u);
  EXPECT_GE(counters().repeated, 6u);
}

TEST_F(Sequence, AnotherOrderOfTheSameCallsIsNew) {
  const SequenceProfile known = learned({"usual:1000"});
  watch(detecting(), {known});
  run({"usual:100", "other", "usual:100"});
  EXPECT_GE(told(new_ngram), 4u);
}

TEST_F(Sequence, AProgramNeverSeenIsNoAnomaly) {
  watch(detecting());
  run({"usual:100"});
  run({"usual:10", "evil", "other"});
  EXPECT_EQ(told(new_program), 1u) << "once, however often it runs";
  EXPECT_EQ(told(new_ngram), 0u);
  EXPECT_FALSE(profile().settled);
}

TEST_F(Sequence, AProgramThatRepeatsItselfSettlesAndIsJudged) {
  watch(detecting());
  run({"usual:5000", "evil", "usual:100"});
  EXPECT_TRUE(profile().settled);
  EXPECT_GE(told(new_ngram), 6u);
}

// Whatever a run of it makes is less than the kernel counts at once.
TEST_F(Sequence, AProgramOfFewCallsSettlesByRunningOften) {
  SequenceOptions options = detecting();
  options.learn_calls = 500;
  watch(options);
  for (int i = 0; i < 60; ++i) run({"usual:1"});
  EXPECT_TRUE(profile().settled);
  EXPECT_EQ(told(new_ngram), 0u);
  run({"usual:1", "evil"});
  EXPECT_GE(told(new_ngram), 1u);
}

TEST_F(Sequence, AChangedFileIsAnotherProgram) {
  const SequenceProfile known = learned({"usual:1000"});
  std::ofstream(program_, std::ios::app) << "more";
  ASSERT_EQ(::stat(program_.c_str(), &st_), 0);
  ASSERT_NE(ctime_ns(), known.id.ctime_ns);
  watch(detecting(), {known});
  run({"usual:10", "evil"});
  EXPECT_EQ(told(new_program), 1u);
  EXPECT_EQ(told(new_ngram), 0u) << "it is not judged by the other's profile";
}

TEST_F(Sequence, AnExecBeginsAnotherProgramsSequence) {
  const SequenceProfile known = learned({"usual:1000"});
  watch(detecting(), {known});
  // From the middle of something else's calls, in the same thread.
  const Child child = run_child([&] {
    for (int i = 0; i < 10; ++i) (void)::syscall(SYS_sched_get_priority_min, 0);
    ::execl(program_.c_str(), program_.c_str(), "usual:50", nullptr);
  });
  EXPECT_EQ(child.status, 0);
  EXPECT_EQ(told(new_ngram), 0u);
}

TEST_F(Sequence, TheAbisNumbersAreApart) {
  watch(learning());
  const bool compat = test::has_int80();
  run(compat ? std::vector<std::string>{"usual:2", "i386", "x32", "usual:2"}
             : std::vector<std::string>{"usual:2", "x32", "usual:2"});
  const SequenceProfile p = profile();
  EXPECT_TRUE(has_call(p, SYS_getppid));
  EXPECT_TRUE(has_call(p, in_x32 | SYS_getppid));
  EXPECT_EQ(has_call(p, in_i386 | 64), compat);
  EXPECT_FALSE(has_call(p, 64)) << "semget, which it never called";
}

TEST_F(Sequence, IoUringsOperationsJoin) {
  const long ring = ::syscall(SYS_io_uring_setup, 0, nullptr);
  SHRIKE_NEED("io_uring", ring < 0 && errno != ENOSYS && errno != EPERM);
  watch(learning());
  run({"usual:2", "uring", "usual:2"});
  EXPECT_TRUE(has_call(profile(), in_uring));
}

TEST_F(Sequence, PaddingDoesNotHideACall) {
  const SequenceProfile known = learned({"usual:1000"});
  watch(detecting(), {known});
  run({"usual:100", "padded:50", "usual:100"});
  EXPECT_GE(told(new_ngram), 6u);
}

// What it cannot do, so that nobody believes it can: arguments and effects are not in a sequence.
TEST_F(Sequence, WhatWasDoneWhileItLearnedIsNotTold) {
  const SequenceProfile poisoned = learned({"usual:1000", "evil", "usual:10"});
  watch(detecting(), {poisoned});
  run({"usual:1000", "evil", "usual:10"});
  EXPECT_EQ(told(new_ngram), 0u) << "poisoned: taken for usual";
  run({"usual:1000", "other", "usual:10"});
  EXPECT_GE(told(new_ngram), 4u) << "what the poison did not hold is told";
}

TEST_F(Sequence, AProfileIsBoundedAndSaysThatItIsFull) {
  SequenceOptions options = detecting();
  options.limits.ngrams_each = 64;
  watch(options);
  run({"random:20000"});
  const SequenceProfile p = profile();
  EXPECT_LE(p.ngrams.size(), 66u);  // two cores at once may add one too many
  EXPECT_TRUE(p.full);
  EXPECT_FALSE(p.settled) << "never repeats itself";
  EXPECT_EQ(told(profile_full), 1u);
  EXPECT_GT(counters().profile_full, 1000u);
}

TEST_F(Sequence, ProgramsAreBoundedAndThoseTooManyCounted) {
  SequenceOptions options = learning();
  options.limits.programs = 2;
  watch(options);
  for (int i = 0; i < 5; ++i) {
    copy_program();
    run({"usual:10"});
  }
  EXPECT_GE(counters().programs_full, 3u);
  EXPECT_LE(watch_->source().sequence_profiles().size(), 2u);
}

TEST_F(Sequence, TheTableIsBoundedAndWhatDoesNotFitCounted) {
  SequenceOptions options = learning();
  options.limits.ngrams = 64;
  watch(options);
  run({"random:20000"});
  EXPECT_GT(counters().table_full, 1000u);
  size_t all = 0;
  for (const auto& p : watch_->source().sequence_profiles()) all += p.ngrams.size();
  EXPECT_LE(all, 128u);
}

TEST_F(Sequence, AFloodOfNewSequencesIsHeldBack) {
  const SequenceProfile known = learned({"usual:1000"});
  SequenceOptions options = detecting();
  options.reports_per_s = 5;
  watch(options, {known});
  const auto begin = std::chrono::steady_clock::now();
  run({"random:20000"});
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);
  EXPECT_GE(told(new_ngram), 5u);
  EXPECT_LE(told(new_ngram), 7u * (static_cast<size_t>(seconds.count()) + 2));
  EXPECT_GT(counters().held_back, 1000u);
}

TEST_F(Sequence, AThreadStormIsOnlyThreads) {
  const SequenceProfile known = learned({"threads:64"});
  watch(detecting(), {known});
  const uint64_t before = counters().calls;
  run({"threads:4000"});
  EXPECT_EQ(counters().unstored, 0u);
  EXPECT_GT(counters().calls, before);
  EXPECT_LE(told(new_ngram), 30u) << "threads take turns in some new orders, but not in many";
}

TEST_F(Sequence, AForkedChildIsTheSameProgram) {
  const SequenceProfile known = learned({"usual:100", "fork", "usual:1000"});
  watch(detecting(), {known});
  run({"usual:100", "fork", "usual:1000", "evil"});
  const auto* seen =
      watch_->expect("a new 6-gram", [&](const Event& e) { return is_ours(e) && e.arg[0] == new_ngram; });
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ((*seen)->syscall, SYS_sched_get_priority_max);
}

TEST_F(Sequence, AnExcludedCgroupIsLeftOut) {
  std::string root;
  struct statfs fs {};
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
    if (::statfs(place, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) root = place;
  const std::string group = root + "/shrike-test-" + std::to_string(::getpid());
  SHRIKE_NEED("cgroup", !root.empty() && ::mkdir(group.c_str(), 0755) == 0);
  const std::string below = group + "/below";
  ASSERT_EQ(::mkdir(below.c_str(), 0755), 0);
  struct stat st {};
  ASSERT_EQ(::stat(group.c_str(), &st), 0);
  SequenceOptions options = learning();
  options.excluded_cgroups = {st.st_ino};
  watch(options);
  const Child child = run_child([&] {
    std::ofstream(below + "/cgroup.procs") << ::getpid() << std::flush;
    ::execl(program_.c_str(), program_.c_str(), "usual:100", nullptr);
  });
  EXPECT_EQ(child.status, 0);
  EXPECT_TRUE(profile().ngrams.empty());
  EXPECT_GE(counters().excluded, 1u);
  run({"usual:100"});  // outside of it
  EXPECT_FALSE(profile().ngrams.empty());
  ::rmdir(below.c_str());
  ::rmdir(group.c_str());
}

TEST_F(Sequence, ASampleLeavesThreadsOut) {
  SequenceOptions options = learning();
  options.sample = 1'000'000;
  watch(options);
  for (int i = 0; i < 5; ++i) run({"usual:100"});
  EXPECT_TRUE(profile().ngrams.empty());
}

TEST_F(Sequence, ProfilesCannotBeForgedThroughTheirMaps) {
  const std::vector<uint32_t> before = [&] {
    Watch off({}, FilterSpec{});
    return off.source().ids().maps;
  }();
  watch(learning());
  size_t frozen = 0;
  for (const uint32_t id : watch_->source().ids().maps) {
    const Fd map(::bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    uint32_t size = sizeof info;
    ASSERT_EQ(::bpf_obj_get_info_by_fd(map.get(), &info, &size), 0);
    static const std::set<std::string> own = {"ngrams", "profiles", "programs", "excluded", "totals", "told"};
    if (!own.contains(info.name)) continue;
    ++frozen;
    const std::vector<char> key(info.key_size), value(info.value_size);
    EXPECT_NE(::bpf_map_update_elem(map.get(), key.data(), value.data(), BPF_ANY), 0) << info.name;
    EXPECT_EQ(errno, EPERM) << info.name;
  }
  EXPECT_EQ(frozen, 6u);
  EXPECT_FALSE(before.empty());
}

TEST_F(Sequence, BeginsAnewWithWhatItIsGiven) {
  const SequenceProfile known = learned({"usual:1000"});
  SequenceOptions options = detecting();
  options.known = {known};
  // As the agent does when there is no room left: what is worth it is kept, and the rest has room again.
  ASSERT_TRUE(watch_->source().reload(FilterSpec{}, &options).ok());
  EXPECT_TRUE(watch_->source().features().sequence);
  EXPECT_EQ(profile().ngrams, known.ngrams);
  run({"usual:1000", "evil", "usual:10"});
  EXPECT_EQ(told(new_ngram), 6u);
  options.mode = SequenceMode::off;
  ASSERT_TRUE(watch_->source().reload(FilterSpec{}, &options).ok());
  EXPECT_FALSE(watch_->source().features().sequence);
  EXPECT_EQ(counters().calls, 0u);
}

// Whoever is in the middle of something when scoring begins has no first calls.
TEST_F(Sequence, ProgramsThatRunAlreadyRaiseNothingAtTheStart) {
  const SequenceProfile known = learned({"usual:1000"});
  int words[2];
  ASSERT_EQ(::pipe(words), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(words[0], 0);
    ::close(words[1]);
    ::execl(program_.c_str(), program_.c_str(), "usual:10", "wait", "usual:1000", nullptr);
    ::_exit(127);
  }
  watch(learning(), {known});  // "wait" is learned in between
  ::close(words[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  SequenceProfile with_wait = profile();
  with_wait.settled = true;
  EXPECT_FALSE(std::any_of(with_wait.ngrams.begin(), with_wait.ngrams.end(), [&](const Ngram& n) {
    return n.first >> 16 == 0xffff && !std::binary_search(known.ngrams.begin(), known.ngrams.end(), n);
  }));
}

TEST_F(Sequence, GoesOnOverAReload) {
  watch(learning());
  run({"usual:100"});
  const size_t had = profile().ngrams.size();
  ASSERT_GT(had, 0u);
  ASSERT_TRUE(watch_->source().reload(Watch::all_paths()).ok());
  EXPECT_EQ(profile().ngrams.size(), had);
  run({"usual:10", "evil", "usual:10"});
  EXPECT_GT(profile().ngrams.size(), had);
}

}  // namespace
}  // namespace shrike
