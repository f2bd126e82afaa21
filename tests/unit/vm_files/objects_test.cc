#include "sandbox/microvm/files/objects.h"

#include <linux/memfd.h>
#include <sys/eventfd.h>

#include <cstring>

#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

uint64_t count_of(File& file) {
  const std::string text = read_from(file, 8);
  uint64_t value = 0;
  if (text.size() == 8) std::memcpy(&value, text.data(), 8);
  return value;
}

int64_t add(File& file, uint64_t value) { return file.write(std::as_bytes(std::span(&value, 1)), std::nullopt); }

TEST(Event, CountsAndGivesAllOrOneByOne) {
  GuestFiles guest;
  FilePtr event, semaphore;
  ASSERT_EQ(make_event(guest.files.store(), 0, 0, event), 0);
  EXPECT_EQ(read_from(*event, 8), "error " + std::to_string(EAGAIN));
  EXPECT_EQ(add(*event, 3), 8);
  EXPECT_EQ(add(*event, 4), 8);
  EXPECT_EQ(count_of(*event), 7u);
  EXPECT_EQ(add(*event, UINT64_MAX), -EINVAL);
  EXPECT_EQ(add(*event, UINT64_MAX - 1), 8);
  EXPECT_EQ(add(*event, 1), -EAGAIN);
  EXPECT_EQ(event->poll(), static_cast<uint32_t>(POLLIN));
  ASSERT_EQ(make_event(guest.files.store(), 2, EFD_SEMAPHORE, semaphore), 0);
  EXPECT_EQ(count_of(*semaphore), 1u);
  EXPECT_EQ(count_of(*semaphore), 1u);
  EXPECT_EQ(semaphore->poll(), static_cast<uint32_t>(POLLOUT));
  EXPECT_EQ(guest.files.path_of(*event->node()), "anon_inode:[eventfd]");
}

struct TimerTest : testing::Test {
  GuestFiles guest;
  uint64_t clock_ns = 1'000'000'000'000;
  std::shared_ptr<TimerFile> timer;
  itimerspec old{};
  void SetUp() override {
    const auto now = [this](int clock) { return clock_ns + (clock == CLOCK_REALTIME ? 5'000'000'000 : 0); };
    ASSERT_EQ(make_timer(guest.files.store(), CLOCK_REALTIME, 0, now, timer), 0);
  }
};

TEST_F(TimerTest, ExpiresByVirtualTimeAndCounts) {
  EXPECT_EQ(timer->set(0, {{1, 0}, {2, 0}}, old), 0);
  EXPECT_EQ(timer->wakes_at(), clock_ns + 2'000'000'000);
  EXPECT_EQ(timer->poll(), 0u);
  EXPECT_EQ(read_from(*timer, 8), "error " + std::to_string(EAGAIN));
  clock_ns += 4'500'000'000;
  EXPECT_EQ(timer->poll(), static_cast<uint32_t>(POLLIN));
  EXPECT_EQ(count_of(*timer), 3u);
  EXPECT_EQ(timer->get(old), 0);
  EXPECT_EQ(old.it_value.tv_nsec, 500'000'000);
  EXPECT_EQ(old.it_interval.tv_sec, 1);
}

TEST_F(TimerTest, TakesAbsoluteTimesOfItsOwnClock) {
  EXPECT_EQ(timer->set(TFD_TIMER_ABSTIME, {{0, 0}, {1006, 0}}, old), 0);
  EXPECT_EQ(timer->wakes_at(), clock_ns + 1'000'000'000);
  clock_ns += 1'000'000'000;
  EXPECT_EQ(count_of(*timer), 1u);
  EXPECT_EQ(timer->wakes_at(), std::nullopt);
  EXPECT_EQ(timer->set(0, {{0, 0}, {0, -1}}, old), -EINVAL);
  EXPECT_EQ(timer->set(0, {{INT64_MAX, 999'999'999}, {INT64_MAX, 0}}, old), 0);
  EXPECT_EQ(timer->poll(), 0u);
}

struct EpollTest : testing::Test {
  GuestFiles guest;
  std::shared_ptr<EpollFile> set = make();
  FilePtr event = make_one();
  std::shared_ptr<EpollFile> make() {
    std::shared_ptr<EpollFile> out;
    EXPECT_EQ(make_epoll(guest.files.store(), 0, out), 0);
    return out;
  }
  FilePtr make_one() {
    FilePtr out;
    EXPECT_EQ(make_event(guest.files.store(), 0, 0, out), 0);
    return out;
  }
  static int64_t change(EpollFile& in, int operation, const FilePtr& file, uint32_t events, uint64_t data = 0) {
    epoll_event asked{};
    asked.events = events;
    asked.data.u64 = data;
    return in.change(operation, 7, file, asked);
  }
  /// Data of what is ready.
  static std::vector<uint64_t> ready(EpollFile& in, size_t most = 8) {
    std::vector<epoll_event> out(most);
    out.resize(static_cast<size_t>(in.collect(out)));
    std::vector<uint64_t> data;
    for (const epoll_event& e : out) data.push_back(uint64_t{e.data.u64});  // packed: no reference to it
    return data;
  }
};

TEST_F(EpollTest, TellsWhatIsReadyAsLongAsItIs) {
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, event, EPOLLIN, 42), 0);
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, event, EPOLLIN, 42), -EEXIST);
  EXPECT_TRUE(ready(*set).empty());
  add(*event, 1);
  EXPECT_EQ(set->poll() & POLLIN, static_cast<uint32_t>(POLLIN));
  EXPECT_EQ(ready(*set), std::vector<uint64_t>{42});
  EXPECT_EQ(ready(*set), std::vector<uint64_t>{42});
  EXPECT_EQ(change(*set, EPOLL_CTL_DEL, event, 0), 0);
  EXPECT_EQ(change(*set, EPOLL_CTL_MOD, event, 0), -ENOENT);
  EXPECT_TRUE(ready(*set).empty());
}

TEST_F(EpollTest, TellsEdgesOnceAndAgainWhenMoreComes) {
  change(*set, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, 1);
  add(*event, 1);
  EXPECT_EQ(ready(*set).size(), 1u);
  EXPECT_TRUE(ready(*set).empty());
  add(*event, 1);
  EXPECT_EQ(ready(*set).size(), 1u);
}

TEST_F(EpollTest, TellsOneShotsOnceUntilTheyAreArmedAgain) {
  change(*set, EPOLL_CTL_ADD, event, EPOLLIN | EPOLLONESHOT, 1);
  add(*event, 1);
  EXPECT_EQ(ready(*set).size(), 1u);
  EXPECT_TRUE(ready(*set).empty());
  change(*set, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLONESHOT, 2);
  EXPECT_EQ(ready(*set), std::vector<uint64_t>{2});
}

TEST_F(EpollTest, ForgetsClosedFilesAndIsFairToAll) {
  std::vector<FilePtr> events;
  for (uint64_t i = 0; i < 4; ++i) {
    events.push_back(make_one());
    add(*events.back(), 1);
    change(*set, EPOLL_CTL_ADD, events.back(), EPOLLIN, i);
  }
  EXPECT_EQ(ready(*set, 3), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(ready(*set, 3), (std::vector<uint64_t>{3, 0, 1}));
  events.clear();
  EXPECT_TRUE(ready(*set).empty());
  EXPECT_EQ(guest.files.account()->buffers.used(), 0u);
}

TEST_F(EpollTest, HoldsSetsButNoCyclesAndFewDeep) {
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, set, EPOLLIN), -EINVAL);
  auto outer = make();
  EXPECT_EQ(change(*outer, EPOLL_CTL_ADD, set, EPOLLIN, 5), 0);
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, outer, EPOLLIN), -ELOOP);
  change(*set, EPOLL_CTL_ADD, event, EPOLLIN);
  add(*event, 1);
  EXPECT_EQ(ready(*outer), std::vector<uint64_t>{5});
  std::shared_ptr<EpollFile> top = outer;
  std::vector<std::shared_ptr<EpollFile>> kept;
  int64_t result = 0;
  for (int i = 0; i < 10 && result == 0; ++i) {
    auto next = make();
    result = change(*next, EPOLL_CTL_ADD, top, EPOLLIN);
    kept.push_back(next);
    top = next;
  }
  EXPECT_EQ(result, -ELOOP);
  auto wide = make();
  for (int i = 0; i < 5; ++i) {
    kept.push_back(make());
    EXPECT_EQ(change(*wide, EPOLL_CTL_ADD, kept.back(), EPOLLIN), i < 4 ? 0 : -ELOOP);
  }
}

TEST_F(EpollTest, RefusesFilesThatAreAlwaysReady) {
  guest.write("/file", "");
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, guest.open("/file"), EPOLLIN), -EPERM);
  EXPECT_EQ(change(*set, EPOLL_CTL_ADD, guest.open("/"), EPOLLIN), -EPERM);
}

TEST(MemoryFile, IsSealed) {
  GuestFiles guest;
  FilePtr file;
  ASSERT_EQ(make_memory_file(guest.files.store(), "payload", MFD_ALLOW_SEALING, file), 0);
  write_to(*file, "bytes");
  EXPECT_EQ(guest.files.path_of(*file->node()), "/memfd:payload (deleted)");
  EXPECT_EQ(get_seals(*file), 0);
  EXPECT_EQ(add_seals(*file, F_SEAL_WRITE, true), -EBUSY);
  EXPECT_EQ(add_seals(*file, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL, false), 0);
  EXPECT_EQ(write_to(*file, "more"), -EPERM);
  EXPECT_EQ(file->truncate(1), -EPERM);
  EXPECT_EQ(file->truncate(100), -EPERM);
  EXPECT_EQ(add_seals(*file, F_SEAL_WRITE, false), -EPERM);
  ASSERT_EQ(make_memory_file(guest.files.store(), "", 0, file), 0);
  EXPECT_EQ(get_seals(*file), F_SEAL_SEAL);
  EXPECT_EQ(make_memory_file(guest.files.store(), std::string(250, 'x'), 0, file), -EINVAL);
  guest.write("/plain", "");
  EXPECT_EQ(get_seals(*guest.open("/plain")), -EINVAL);
}

TEST(Standard, InputEndsAndOutputArrives) {
  GuestFiles guest;
  std::string said;
  const FilePtr input = make_input(guest.files.store(), "in");
  const FilePtr output = make_output(guest.files.store(), [&](std::string_view text) { said += text; });
  EXPECT_EQ(read_from(*input), "in");
  EXPECT_EQ(read_from(*input), "");
  EXPECT_EQ(write_to(*input, "x"), -EBADF);
  EXPECT_EQ(write_to(*output, "out"), 3);
  FilePtr again;
  EXPECT_EQ(output->node()->open(O_WRONLY, again), 0);
  EXPECT_EQ(write_to(*again, "put"), 3);
  EXPECT_EQ(said, "output");
  struct ::stat status {};
  output->status(status);
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

TEST(Devices, AreKnownByTheirNumbers) {
  GuestFiles guest;
  const auto make = [&](const char* path, uint64_t device) {
    EXPECT_EQ(guest.files.make_node(guest.name(path), S_IFCHR | 0666, device), 0);
    return guest.open(path, O_RDWR);
  };
  EXPECT_EQ(read_from(*make("/null", 0x103)), "");
  EXPECT_EQ(write_to(*guest.open("/null", O_WRONLY), "gone"), 4);
  EXPECT_EQ(read_from(*make("/zero", 0x105), 3), std::string(3, '\0'));
  EXPECT_EQ(write_to(*make("/full", 0x107), "x"), -ENOSPC);
  EXPECT_EQ(read_from(*make("/random", 0x108), 16).size(), 16u);
  EXPECT_EQ(make("/tty", 0x500), nullptr);
  EXPECT_EQ(guest.error, -ENXIO);
}

}  // namespace
}  // namespace shrike::sandbox::microvm
