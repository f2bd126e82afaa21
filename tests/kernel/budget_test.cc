// What the verifier has to look at, per program, with everything wanted: an older or slower kernel has no more patience
// than a million instructions for each, and a load must not take seconds.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "agent/probe/record.h"
#include "bpf/sequence/shrike_sequence.h"
#include "bpf/shrike_calls.h"
#include "bpf/shrike_counters.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "bpf/sequence.skel.h"
#include "bpf/shrike.skel.h"
#pragma GCC diagnostic pop
#include "tests/kernel/watch.h"

namespace shrike {
namespace {

constexpr unsigned long budget = 500'000;

// Loads `object` and prints what the verifier had to look at for each program.
void expect_within_budget(bpf_object* object) {
  std::vector<std::string> logs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) logs.emplace_back(64 * 1024, '\0');
  size_t next = 0;
  bpf_object__for_each_program(program, object) {
    const std::string_view section = bpf_program__section_name(program);
    // Hooks that this kernel has not, or will not let us use: the loader leaves them out as well.
    const std::string hook(section.substr(section.find('/') + 1));
    if (section.starts_with("lsm") ||
        (section.starts_with("tp_btf") && libbpf_find_vmlinux_btf_id(hook.c_str(), BPF_TRACE_RAW_TP) < 0))
      bpf_program__set_autoload(program, false);
    bpf_program__set_log_level(program, 4);  // only the summary
    bpf_program__set_log_buf(program, logs[next].data(), logs[next].size());
    ++next;
  }
  const int loaded = bpf_object__load(object);
  next = 0;
  unsigned long sum = 0;
  bpf_object__for_each_program(program, object) {
    const std::string& log = logs[next++];
    unsigned long processed = 0;
    const size_t at = log.find("processed ");
    if (at != std::string::npos) processed = std::strtoul(log.c_str() + at + 10, nullptr, 10);
    std::printf("%-20s %8lu instructions\n", bpf_program__name(program), processed);
    EXPECT_LT(processed, budget) << bpf_program__name(program) << "\n" << log.c_str();
    EXPECT_TRUE(processed > 0 || !bpf_program__autoload(program)) << bpf_program__name(program);
    sum += processed;
  }
  std::printf("%-20s %8lu instructions\n", "all", sum);
  EXPECT_EQ(loaded, 0) << std::strerror(-loaded);
}

TEST(Budget, EveryProgramIsVerifiedWithinHalfOfWhatKernelsAllow) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  shrike_bpf* skeleton = shrike_bpf__open();
  ASSERT_NE(skeleton, nullptr);
  shrike_filter& filter = skeleton->rodata->filter;
  std::memset(filter.kinds, 0xff, sizeof filter.kinds);
  filter.prefix_access = filter.name_access = access_all;
  filter.budget_per_s = 1;
  filter.shards = 1;
  shrike_fill_calls(filter.kinds, &skeleton->rodata->calls);
  expect_within_budget(skeleton->obj);
  shrike_bpf__destroy(skeleton);
}

TEST(Budget, SequenceScoringIsVerifiedWithinTheSame) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  sequence_bpf* skeleton = sequence_bpf__open();
  ASSERT_NE(skeleton, nullptr);
  skeleton->rodata->filter.shards = 1;
  skeleton->rodata->setup.sample = 2;
  skeleton->rodata->setup.excluded_cgroups = 1;
  expect_within_budget(skeleton->obj);
  sequence_bpf__destroy(skeleton);
}

}  // namespace
}  // namespace shrike
