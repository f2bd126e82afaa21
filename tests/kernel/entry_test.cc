// bpf/entry.bpf.c: arguments that change while the kernel uses them, the known attack on agents that read them.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "common/base/fd.h"
#include "tests/kernel/child.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

class EntryEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    ASSERT_EQ(::mkfifo(fifo_.c_str(), 0600), 0);
  }
  test::Scratch scratch_;
  const std::string fifo_ = scratch_ / "fifo";
};

// Opens the name in `shared`, which is that of a FIFO; while the kernel waits for a writer, `then` is put in its place.
void race_on_fifo(const std::string& fifo, char* shared, const std::string& then) {
  std::atomic<pid_t> tid = 0;
  std::thread opener([&] {
    tid = static_cast<pid_t>(::syscall(SYS_gettid));
    Fd(::open(shared, O_RDONLY));
  });
  // Asleep in open(): the kernel has its copy of the name.
  const auto asleep = [&] {
    char text[512] = {};
    const Fd stat(::open(("/proc/self/task/" + std::to_string(tid) + "/syscall").c_str(), O_RDONLY));
    return ::read(stat.get(), text, sizeof text - 1) > 0 &&
           std::strncmp(text, (std::to_string(SYS_openat) + " ").c_str(), 4) == 0;
  };
  while (tid == 0 || !asleep()) std::this_thread::yield();
  std::strcpy(shared, then.c_str());
  Fd(::open(fifo.c_str(), O_WRONLY));
  opener.join();
}

TEST_F(EntryEvents, ANameThatChangesWhileItIsOpenedIsReported) {
  FilterSpec spec;
  spec.prefixes[fifo_] = access_all;
  Watch watch({EventKind::open, EventKind::toctou}, spec);
  ASSERT_TRUE(watch.open());
  const std::string innocent = "/tmp/innocent";
  const Child child = run_child([&] {
    char shared[4096];
    std::strcpy(shared, fifo_.c_str());
    race_on_fifo(fifo_, shared, innocent);
  });
  const auto* change = expect_by(watch, child.pid, EventKind::toctou);
  ASSERT_NE(change, nullptr);
  EXPECT_EQ((*change)->path.text, fifo_);
  EXPECT_EQ((*change)->path_at_exit, innocent);
  EXPECT_EQ((*change)->syscall, SYS_openat);
  const auto* open =
      expect_by(watch, child.pid, EventKind::open, [&](const Event& e) { return e.path.text == innocent; });
  ASSERT_NE(open, nullptr);
  EXPECT_EQ((*open)->real_path, fifo_) << "the object's own path cannot be forged";
}

TEST_F(EntryEvents, NamesThatDifferOnlyBehindWhatIsKeptAreToldApart) {
  FilterSpec spec;
  spec.prefixes[fifo_] = access_all;
  Watch watch({EventKind::open, EventKind::toctou}, spec);
  ASSERT_TRUE(watch.open());
  std::string padding;
  for (int i = 0; i < 300; ++i) padding += "/.";
  const std::string first = scratch_.path() + padding + "/fifo", then = scratch_.path() + padding + "/fife";
  const Child child = run_child([&] {
    char shared[4096];
    std::strcpy(shared, first.c_str());
    race_on_fifo(fifo_, shared, then);
  });
  const auto* change = expect_by(watch, child.pid, EventKind::toctou);
  ASSERT_NE(change, nullptr);
  EXPECT_TRUE((*change)->path.truncated);
  EXPECT_EQ((*change)->path_at_exit, then);
}

TEST_F(EntryEvents, ARacingProgramIsCaught) {
  FilterSpec spec;
  spec.prefixes[scratch_.path()] = access_unlink;
  Watch watch({EventKind::unlink, EventKind::toctou}, spec);
  ASSERT_TRUE(watch.open());
  const std::string a = scratch_ / "aaaaaaaaaaaaaaaa", b = scratch_ / "bbbbbbbbbbbbbbbb";
  const pid_t racer = ::fork();
  if (racer == 0) {
    ::execl(SHRIKE_PROGRAMS_DIR "/race_path", "race_path", a.c_str(), b.c_str(), "60", nullptr);
    ::_exit(127);
  }
  const auto* change = expect_by(watch, racer, EventKind::toctou);
  ::kill(racer, SIGKILL);
  ::waitpid(racer, nullptr, 0);
  ASSERT_NE(change, nullptr);
  EXPECT_NE((*change)->path.text, (*change)->path_at_exit);
  EXPECT_EQ((*change)->path.text.size(), (*change)->path_at_exit.size());
}

// A datagram's address is nowhere but in user memory: the kernel's copy cannot be asked for. Here a second thread does
// nothing but change it.
TEST_F(EntryEvents, AnAddressThatChangesWhileItIsUsedIsReported) {
  Watch watch({EventKind::sendto, EventKind::connect, EventKind::toctou});
  ASSERT_TRUE(watch.open());
  const pid_t racer = ::fork();
  if (racer == 0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(0x7f000001);
    std::thread([&address] {
      test::keep_to_core(0);
      auto* last = reinterpret_cast<volatile uint8_t*>(&address.sin_addr) + 3;
      for (;;) *last = static_cast<uint8_t>(*last ^ 3);  // 127.0.0.1, 127.0.0.2
    }).detach();
    test::keep_to_core(1);
    const Fd fd(::socket(AF_INET, SOCK_DGRAM, 0));
    for (;;) ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  const auto* change = expect_by(watch, racer, EventKind::toctou);
  ::kill(racer, SIGKILL);
  ::waitpid(racer, nullptr, 0);
  ASSERT_NE(change, nullptr);
  EXPECT_EQ((*change)->syscall, SYS_sendto);
  EXPECT_NE((*change)->path.text, (*change)->path_at_exit);
  for (const auto text : {(*change)->path.text, (*change)->path_at_exit})
    EXPECT_TRUE(text == "127.0.0.1:9" || text == "127.0.0.2:9") << text;
}

TEST_F(EntryEvents, HonestAddressesAreNotAccused) {
  Watch watch({EventKind::sendto, EventKind::connect, EventKind::bind, EventKind::toctou});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([] {
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::memset(path.sun_path, 'x', sizeof path.sun_path);
    const Fd local(::socket(AF_UNIX, SOCK_DGRAM, 0));
    for (const size_t length : {2u, 3u, 50u, 110u, 128u, 5000u})
      ::connect(local.get(), reinterpret_cast<const sockaddr*>(&path), static_cast<socklen_t>(length));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(9);
    const Fd fd(::socket(AF_INET6, SOCK_DGRAM, 0));
    ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::sendto(fd.get(), "x", 1, 0, nullptr, 0);
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(1), 16);
    address.sin6_port = htons(10);
    ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  });
  const auto* end =
      expect_by(watch, child.pid, EventKind::connect, [](const Event& e) { return e.socket.remote_port == 10; });
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) {
    return e.kind == EventKind::toctou && e.task.pid == static_cast<uint32_t>(child.pid);
  }),
            0u);
}

TEST_F(EntryEvents, HonestCallsAreNotAccused) {
  Watch watch({EventKind::open, EventKind::rename, EventKind::unlink, EventKind::exec_failed, EventKind::toctou});
  ASSERT_TRUE(watch.open());
  const Child child = run_child([&] {
    for (const size_t length : {1u, 7u, 8u, 9u, 100u, 200u}) {
      const std::string name = scratch_ / std::string(length, 'x');
      Fd(::open(name.c_str(), O_RDWR | O_CREAT, 0600));
      ::rename(name.c_str(), (scratch_ / "other").c_str());
      ::unlink((scratch_ / "other").c_str());
    }
    // Around what is kept of a name, and the longest there can be.
    for (const size_t length : {254u, 255u, 256u, 257u, 263u, 264u, 4094u, 4095u, 4096u, 5000u}) {
      std::string name(length, '/');
      name.back() = 'x';
      Fd(::open(name.c_str(), O_RDONLY));
      ::execl(name.c_str(), "x", nullptr);
    }
    ::unlink((scratch_ / "the end").c_str());
  });
  const auto* end =
      expect_by(watch, child.pid, EventKind::unlink, [](const Event& e) { return e.path.text.ends_with("the end"); });
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(watch.count([&](const Event& e) {
    return e.kind == EventKind::toctou && e.task.pid == static_cast<uint32_t>(child.pid);
  }),
            0u);
}

}  // namespace
}  // namespace shrike
