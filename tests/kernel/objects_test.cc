// bpf/objects.bpf.c: what others do with bpf(2), above all with what is ours.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstring>
#include <fstream>
#include <memory>

#include "agent/probe/record.h"
#include "bpf/shrike_counters.h"
#include "common/base/fd.h"
#include "tests/kernel/child.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}
Fd open_map(uint32_t id) {
  bpf_attr attributes{};
  attributes.map_id = id;
  return Fd(bpf(BPF_MAP_GET_FD_BY_ID, attributes));
}

class Objects : public ::testing::Test {
 protected:
  void SetUp() override { SHRIKE_NEED("bpf", Watch::possible()); }
  static const test::Seen* command(Watch& watch, int wanted) {
    return watch.expect_own(EventKind::bpf, [&](const Event& e) { return e.arg[0] == static_cast<uint64_t>(wanted); });
  }
};

TEST_F(Objects, OpeningAndChangingOurMapsIsSeenWithTheirId) {
  // Not ourselves: the agent's own calls about its own objects are not reported.
  Watch watch({EventKind::bpf});
  ASSERT_TRUE(watch.open());
  const auto ids = watch.source().ids();
  const uint32_t id = ids.maps.back();
  const Fd map = open_map(id);
  ASSERT_TRUE(map.valid());
  const auto* opened = watch.expect_own(
      EventKind::bpf, [&](const Event& e) { return e.arg[0] == BPF_MAP_GET_FD_BY_ID && e.arg[1] == id; });
  ASSERT_NE(opened, nullptr);
  EXPECT_EQ((*opened)->arg[2], static_cast<uint64_t>(map.get()));
  EXPECT_EQ((*opened)->arg[3], 1u) << "a map";
  EXPECT_EQ((*opened)->arg[4], 1u) << "ours";
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(map.get());
  bpf(BPF_MAP_DELETE_ELEM, attributes);
  const auto* changed = command(watch, BPF_MAP_DELETE_ELEM);
  ASSERT_NE(changed, nullptr);
  EXPECT_EQ((*changed)->arg[1], id);
  EXPECT_EQ((*changed)->arg[4], 1u);
}

TEST_F(Objects, ProgramsAndLinksOfOursAreKnownToo) {
  Watch watch({EventKind::bpf});
  ASSERT_TRUE(watch.open());
  const auto ids = watch.source().ids();
  bpf_attr attributes{};
  attributes.prog_id = ids.programs.front();
  const Fd program(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
  ASSERT_TRUE(program.valid());
  attributes = {};
  attributes.link_id = ids.links.front();
  const Fd link(bpf(BPF_LINK_GET_FD_BY_ID, attributes));
  ASSERT_TRUE(link.valid());
  attributes = {};
  attributes.link_detach.link_fd = static_cast<uint32_t>(link.get());
  bpf(BPF_LINK_DETACH, attributes);  // tracing links refuse
  const auto* opened = command(watch, BPF_PROG_GET_FD_BY_ID);
  ASSERT_NE(opened, nullptr);
  EXPECT_EQ((*opened)->arg[1], ids.programs.front());
  EXPECT_EQ((*opened)->arg[3], 2u);
  EXPECT_EQ((*opened)->arg[4], 1u);
  const auto* detached = command(watch, BPF_LINK_DETACH);
  ASSERT_NE(detached, nullptr);
  EXPECT_EQ((*detached)->arg[1], ids.links.front());
  EXPECT_EQ((*detached)->arg[3], 3u);
  EXPECT_EQ((*detached)->arg[4], 1u);
}

TEST_F(Objects, AMapOfSomebodyElseIsSeenWhenMadeButNotAtEveryAccess) {
  Watch watch({EventKind::bpf});
  ASSERT_TRUE(watch.open());
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 8;
  attributes.max_entries = 1;
  std::strcpy(attributes.map_name, "stranger");
  const Fd map(bpf(BPF_MAP_CREATE, attributes));
  ASSERT_TRUE(map.valid());
  uint32_t key = 0;
  uint64_t value = 1;
  attributes = {};
  attributes.map_fd = static_cast<uint32_t>(map.get());
  attributes.key = reinterpret_cast<uint64_t>(&key);
  attributes.value = reinterpret_cast<uint64_t>(&value);
  ASSERT_EQ(bpf(BPF_MAP_UPDATE_ELEM, attributes), 0);
  attributes = {};
  attributes.map_fd = static_cast<uint32_t>(map.get());
  ASSERT_EQ(bpf(BPF_MAP_FREEZE, attributes), 0);
  const auto* made = command(watch, BPF_MAP_CREATE);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ((*made)->arg[1], static_cast<uint64_t>(BPF_MAP_TYPE_ARRAY));
  EXPECT_EQ((*made)->path.text, "stranger");
  EXPECT_EQ((*made)->arg[4], 0u);
  ASSERT_NE(command(watch, BPF_MAP_FREEZE), nullptr);
  EXPECT_EQ(watch.count_own([](const Event& e) { return e.arg[0] == BPF_MAP_UPDATE_ELEM; }), 0u);
}

TEST_F(Objects, NobodyCanChangeOurMaps) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  // The right to write is asked for before anything else: a frozen map says EPERM, whatever is to be written. Left are
  // the rings, which take no elements, the word that says whether their reader sleeps, and records that wait for their
  // arguments, in a map that the kernel does not freeze.
  size_t open = 0, mapped = 0;
  const auto ids = watch.source().ids();
  for (const uint32_t id : ids.maps) {
    const Fd map = open_map(id);
    bpf_attr attributes{};
    attributes.map_fd = static_cast<uint32_t>(map.get());
    EXPECT_EQ(bpf(BPF_MAP_UPDATE_ELEM, attributes), -1);  // no key, no value: nothing is written
    if (errno != EPERM) ++open;
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
    if (at == MAP_FAILED) continue;
    ::munmap(at, 4096);
    ++mapped;
  }
  EXPECT_EQ(open, watch.source().counters().rings.size() + 2);
  EXPECT_EQ(mapped, open - 1) << "of a ring, only the page that says how far it was read can be written";
}

// What root can do to have the agent look elsewhere: run the program that changes its settings.
TEST_F(Objects, NobodyElseCanRunWhatChangesOurSettings) {
  FilterSpec spec;
  test::Scratch scratch;
  std::ofstream(scratch / "secret") << "x";
  spec.objects["secret"] = {.sets = 1, .access = access_open_read, .paths = {scratch / "secret"}};
  Watch watch({EventKind::bpf, EventKind::open}, spec);
  ASSERT_TRUE(watch.open());
  Fd change;
  uint32_t change_id = 0;
  for (const uint32_t id : watch.source().ids().programs) {
    bpf_attr attributes{};
    attributes.prog_id = id;
    Fd program(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
    bpf_prog_info info{};
    attributes = {};
    attributes.info.bpf_fd = static_cast<uint32_t>(program.get());
    attributes.info.info_len = sizeof info;
    attributes.info.info = reinterpret_cast<uint64_t>(&info);
    ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attributes), 0);
    if (info.type != BPF_PROG_TYPE_SYSCALL) continue;
    change = std::move(program);
    change_id = id;
  }
  ASSERT_TRUE(change.valid());
  const auto run = [&](uint32_t what, const void* value) {
    struct {
      uint32_t what, pad;
      uint64_t value;
    } setting = {what, 0, reinterpret_cast<uint64_t>(value)};
    bpf_attr attributes{};
    attributes.test.prog_fd = static_cast<uint32_t>(change.get());
    attributes.test.ctx_in = reinterpret_cast<uint64_t>(&setting);
    attributes.test.ctx_size_in = sizeof setting;
    return bpf(BPF_PROG_TEST_RUN, attributes) == 0 ? attributes.test.retval : ~0u;
  };
  const auto nothing = std::make_unique<shrike_objects>();
  const Child child = run_child([&] {
    if (run(SHRIKE_SET_OBJECTS, nothing.get()) != EPERM) ::_exit(1);
    if (run(SHRIKE_ACTIVE_GENERATION, nullptr) != EPERM) ::_exit(2);
    Fd(::open((scratch / "secret").c_str(), O_RDONLY));
  });
  EXPECT_EQ(child.status, 0);
  const auto* tried =
      expect_by(watch, child.pid, EventKind::bpf, [](const Event& e) { return e.arg[0] == BPF_PROG_TEST_RUN; });
  ASSERT_NE(tried, nullptr);
  EXPECT_EQ((*tried)->arg[1], change_id);
  EXPECT_EQ((*tried)->arg[4], 1u) << "ours";
  EXPECT_NE(expect_by(watch, child.pid, EventKind::open), nullptr) << "and is still seen";
  EXPECT_EQ(run(SHRIKE_ACTIVE_WORDS, nullptr), static_cast<uint32_t>(EINVAL)) << "the owner is obeyed";
}

// A program of somebody else's that was handed one of our maps.
TEST_F(Objects, NoProgramOfOthersCanWriteWhatOnlyWeRead) {
  Watch watch({EventKind::fork});
  ASSERT_TRUE(watch.open());
  size_t read_only = 0;
  for (const uint32_t id : watch.source().ids().maps) {
    const Fd map = open_map(id);
    bpf_map_info info{};
    bpf_attr attributes{};
    attributes.info.bpf_fd = static_cast<uint32_t>(map.get());
    attributes.info.info_len = sizeof info;
    attributes.info.info = reinterpret_cast<uint64_t>(&info);
    ASSERT_EQ(bpf(BPF_OBJ_GET_INFO_BY_FD, attributes), 0);
    const std::string name = info.name;
    if (name != "prefixes" && name != "names" && name != "own_objects" && !name.ends_with(".rodata")) continue;
    EXPECT_NE(info.map_flags & BPF_F_RDONLY_PROG, 0u) << name;
    ++read_only;
  }
  EXPECT_GE(read_only, 4u);
}

}  // namespace
}  // namespace shrike
