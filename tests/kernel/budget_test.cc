// What the verifier has to look at, per program, with everything wanted: an older or slower kernel has no more patience
// than a million instructions for each, and a load must not take seconds.

#include <bpf/btf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/probe/record.h"
#include "bpf/sequence/shrike_sequence.h"
#include "bpf/shrike_calls.h"
#include "bpf/shrike_counters.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "bpf/deny.skel.h"
#include "bpf/lsm.skel.h"
#include "bpf/sandbox.skel.h"
#include "bpf/sandbox_sink.skel.h"
#include "bpf/sequence.skel.h"
#include "bpf/shrike.skel.h"
#pragma GCC diagnostic pop
#include "tests/kernel/watch.h"

namespace shrike {
namespace {

constexpr unsigned long budget = 500'000;
// Of a program's own frame. With all it calls there are 512 bytes, of which the deepest chain (given_access, walk_path,
// walk_step, name_access) needs 256 on a kernel that rounds each up to 32; newer ones have more, and would not tell.
constexpr unsigned long frame_budget = 240;

unsigned long number_behind(const std::string& log, const std::string& words) {
  const size_t at = log.find(words);
  return at == std::string::npos ? 0 : std::strtoul(log.c_str() + at + words.size(), nullptr, 10);
}

// A skeleton, whichever: opened, not loaded.
struct Opened {
  std::unique_ptr<void, void (*)(void*)> skeleton;
  bpf_object* object;
};
using Open = std::function<Opened()>;

// Hooks that this kernel has not, or will not let us use: the loader leaves them out as well.
bool possible(const bpf_program* program) {
  const std::string_view section = bpf_program__section_name(program);
  const std::string hook(section.substr(section.find('/') + 1));
  if (section.starts_with("lsm")) return libbpf_find_vmlinux_btf_id(hook.c_str(), BPF_LSM_MAC) > 0;
  return (!section.starts_with("tp_btf") || libbpf_find_vmlinux_btf_id(hook.c_str(), BPF_TRACE_RAW_TP) >= 0);
}

bool kernel_has(const char* function) {
  btf* types = btf__load_vmlinux_btf();
  const bool has = btf__find_by_name_kind(types, function, BTF_KIND_FUNC) > 0;
  btf__free(types);
  return has;
}

// Loads only that program and returns the end of what the verifier says to it, told everything.
std::string last_words(const Open& open, const std::string& name) {
  const Opened opened = open();
  std::string log(32u << 20, '\0');
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, opened.object) {
    bpf_program__set_autoload(program, name == bpf_program__name(program));
    bpf_program__set_log_level(program, 1);
    bpf_program__set_log_buf(program, log.data(), log.size());
  }
  bpf_object__load(opened.object);
  log.resize(std::strlen(log.c_str()));
  return log.substr(log.size() - std::min<size_t>(log.size(), 4000));
}

// Loads what `open` gives and prints what the verifier had to look at for each program.
void expect_within_budget(const Open& open) {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  const Opened opened = open();
  bpf_object* object = opened.object;
  std::vector<std::string> logs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) logs.emplace_back(64 * 1024, '\0');
  size_t next = 0;
  bpf_object__for_each_program(program, object) {
    bpf_program__set_autoload(program, possible(program));
    bpf_program__set_log_level(program, 4);  // only the summary
    bpf_program__set_log_buf(program, logs[next].data(), logs[next].size());
    ++next;
  }
  const int loaded = bpf_object__load(object);
  next = 0;
  unsigned long sum = 0;
  std::string tried;  // the last that the verifier looked at: when it refuses one, those behind it are not even tried
  bpf_object__for_each_program(program, object) {
    const std::string& log = logs[next++];
    const unsigned long processed = number_behind(log, "processed ");
    const unsigned long frame = number_behind(log, "stack depth ");
    std::printf("%-20s %8lu instructions, %4lu bytes of stack\n", bpf_program__name(program), processed, frame);
    EXPECT_LT(processed, budget) << bpf_program__name(program) << "\n" << log.c_str();
    EXPECT_LE(frame, frame_budget) << bpf_program__name(program) << "\n" << log.c_str();
    if (processed > 0) tried = bpf_program__name(program);
    sum += processed;
  }
  std::printf("%-20s %8lu instructions\n", "all", sum);
  EXPECT_EQ(loaded, 0) << std::strerror(-loaded) << ": " << tried << "\n" << last_words(open, tried);
}

TEST(Budget, EveryProgramIsVerifiedWithinHalfOfWhatKernelsAllow) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  expect_within_budget([] {
    shrike_bpf* skeleton = shrike_bpf__open();
    shrike_filter& filter = skeleton->rodata->filter;
    std::memset(filter.kinds, 0xff, sizeof filter.kinds);
    filter.prefix_access = filter.name_access = access_all;
    filter.budget_per_s = 1;
    filter.shards = 1;
    skeleton->rodata->calls_back = kernel_has("bpf_task_work_schedule_resume_impl") ? 1 : 0;
    shrike_fill_calls(filter.kinds, &skeleton->rodata->calls);
    return Opened{{skeleton, [](void* p) { shrike_bpf__destroy(static_cast<shrike_bpf*>(p)); }}, skeleton->obj};
  });
}

TEST(Budget, SequenceScoringIsVerifiedWithinTheSame) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  expect_within_budget([] {
    sequence_bpf* skeleton = sequence_bpf__open();
    skeleton->rodata->filter.shards = 1;
    skeleton->rodata->setup.sample = 2;
    skeleton->rodata->setup.excluded_cgroups = 1;
    return Opened{{skeleton, [](void* p) { sequence_bpf__destroy(static_cast<sequence_bpf*>(p)); }}, skeleton->obj};
  });
}

TEST(Budget, TheTraceOfSandboxesIsVerifiedWithinTheSame) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  expect_within_budget([] {
    sandbox_bpf* skeleton = sandbox_bpf__open();
    return Opened{{skeleton, [](void* p) { sandbox_bpf__destroy(static_cast<sandbox_bpf*>(p)); }}, skeleton->obj};
  });
  expect_within_budget([] {
    sandbox_sink_bpf* skeleton = sandbox_sink_bpf__open();
    return Opened{{skeleton, [](void* p) { sandbox_sink_bpf__destroy(static_cast<sandbox_sink_bpf*>(p)); }},
                  skeleton->obj};
  });
}

// Nothing but its own rodata: which program needs what of the filter does not matter here.
template <class Skeleton>
void ask_for_all(Skeleton* skeleton) {
  std::memset(skeleton->rodata->filter.kinds, 0xff, sizeof skeleton->rodata->filter.kinds);
  skeleton->rodata->filter.prefix_access = skeleton->rodata->filter.name_access = access_all;
  skeleton->rodata->filter.budget_per_s = 1;
  shrike_fill_calls(skeleton->rodata->filter.kinds, &skeleton->rodata->calls);
}

TEST(LsmBudget, HooksAreVerifiedWithinTheSame) {
  SHRIKE_NEED("bpf", test::Watch::possible());
  test::Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  SHRIKE_NEED("lsm", watch.source().features().bpf_lsm);
  expect_within_budget([] {
    lsm_bpf* skeleton = lsm_bpf__open();
    ask_for_all(skeleton);
    return Opened{{skeleton, [](void* p) { lsm_bpf__destroy(static_cast<lsm_bpf*>(p)); }}, skeleton->obj};
  });
  expect_within_budget([] {
    deny_bpf* skeleton = deny_bpf__open();
    ask_for_all(skeleton);
    skeleton->rodata->denials.count = SHRIKE_DENIALS_MAX;
    skeleton->rodata->denials.sets = ~0u;
    return Opened{{skeleton, [](void* p) { deny_bpf__destroy(static_cast<deny_bpf*>(p)); }}, skeleton->obj};
  });
}

}  // namespace
}  // namespace shrike
