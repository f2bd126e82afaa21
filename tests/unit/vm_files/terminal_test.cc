#include "sandbox/microvm/files/terminal.h"

#include <sys/ioctl.h>

#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

class View final : public GuestView {
 public:
  [[nodiscard]] uint32_t current_process() const override { return 9; }
  [[nodiscard]] uint32_t current_thread() const override { return 9; }
  [[nodiscard]] std::vector<uint32_t> processes() const override { return {9}; }
  [[nodiscard]] std::optional<ProcessFacts> facts(uint32_t) const override {
    ProcessFacts facts;
    facts.group = 8;
    facts.session = 7;
    return facts;
  }
  [[nodiscard]] std::string argv(uint32_t) const override { return {}; }
  [[nodiscard]] std::string environ(uint32_t) const override { return {}; }
  [[nodiscard]] std::string maps(uint32_t) const override { return {}; }
  [[nodiscard]] NodePtr exe(uint32_t) const override { return nullptr; }
  [[nodiscard]] std::optional<Place> place(uint32_t) const override { return std::nullopt; }
  [[nodiscard]] std::vector<int> descriptors(uint32_t) const override { return {}; }
  [[nodiscard]] FilePtr descriptor(uint32_t, int) const override { return nullptr; }
};

template <class T>
int64_t control(File& file, uint64_t command, T& value) {
  return file.control(command, 0, std::as_writable_bytes(std::span(&value, 1)));
}

struct Terminal : testing::Test {
  GuestFiles guest;
  View view;
  FilePtr master, slave;
  const std::string again = "error " + std::to_string(EAGAIN);
  void SetUp() override {
    mount_terminals(guest.files, view);
    master = guest.open("/dev/ptmx", O_RDWR);
    ASSERT_NE(master, nullptr);
    EXPECT_EQ(guest.open("/dev/pts/0", O_RDWR), nullptr);
    int unlocked = 0;
    unsigned number = 99;
    EXPECT_EQ(control(*master, TIOCSPTLCK, unlocked), 0);
    EXPECT_EQ(control(*master, TIOCGPTN, number), 0);
    EXPECT_EQ(number, 0u);
    slave = guest.open("/dev/pts/0", O_RDWR);
    ASSERT_NE(slave, nullptr);
  }
};

TEST_F(Terminal, GivesLinesAndEchoesThem) {
  EXPECT_EQ(write_to(*master, "ls"), 2);
  EXPECT_EQ(read_from(*slave), again);
  EXPECT_EQ(write_to(*master, "\x7f\r next"), 7);
  EXPECT_EQ(read_from(*slave), "l\n");
  EXPECT_EQ(read_from(*slave), again);
  EXPECT_EQ(read_from(*master), "ls\r\n next");
  EXPECT_EQ(write_to(*slave, "out\n"), 4);
  EXPECT_EQ(read_from(*master), "out\r\n");
  EXPECT_EQ(write_to(*master, "\n\4"), 2);
  EXPECT_EQ(read_from(*slave), " next\n");
  EXPECT_EQ(read_from(*slave), "");
}

TEST_F(Terminal, GivesEachKeyWhereAskedTo) {
  TerminalModes modes{};
  EXPECT_EQ(control(*slave, TCGETS, modes), 0);
  modes.local &= ~uint32_t{ICANON | ECHO};
  modes.output = 0;
  EXPECT_EQ(control(*slave, TCSETS, modes), 0);
  write_to(*master, "k\4");
  EXPECT_EQ(read_from(*slave), "k\4");
  EXPECT_EQ(read_from(*master), again);
  write_to(*slave, "\n");
  EXPECT_EQ(read_from(*master), "\n");
}

TEST_F(Terminal, BelongsToWhoTookIt) {
  int group = 0;
  EXPECT_EQ(control(*slave, TIOCGPGRP, group), 0);
  EXPECT_EQ(group, 8);
  EXPECT_EQ(slave->control(TIOCSCTTY, 0, {}), 0);
  group = 12;
  EXPECT_EQ(control(*slave, TIOCSPGRP, group), 0);
  EXPECT_EQ(control(*master, TIOCGPGRP, group), 0);
  EXPECT_EQ(group, 12);
  EXPECT_EQ(control(*slave, TIOCGSID, group), 0);
  EXPECT_EQ(group, 7);
  EXPECT_EQ(slave->control(TCGETS, 0, {}), -EFAULT);
  EXPECT_EQ(slave->control(0x54ff, 0, {}), -ENOTTY);
}

TEST_F(Terminal, EndsWithEitherSide) {
  const FilePtr other = guest.open("/dev/ptmx", O_RDWR);
  EXPECT_NE(guest.node("/dev/pts/1"), nullptr);
  slave.reset();
  EXPECT_EQ(read_from(*master), "error " + std::to_string(EIO));
  EXPECT_NE(master->poll() & POLLHUP, 0u);
  slave = guest.open("/dev/pts/0", O_RDWR);
  EXPECT_EQ(read_from(*master), again);
  master.reset();
  EXPECT_EQ(read_from(*slave), "");
  EXPECT_EQ(write_to(*slave, "x"), -EIO);
  EXPECT_EQ(guest.node("/dev/pts/0"), nullptr);
  EXPECT_NE(guest.node("/dev/pts/1"), nullptr);
}

TEST_F(Terminal, IsBounded) {
  int64_t taken = 0;
  for (int64_t got = 0; (got = write_to(*master, std::string(1000, 'x'))) > 0;) taken += got;
  EXPECT_LE(taken, 8192);
  EXPECT_EQ(read_from(*slave).size(), static_cast<size_t>(taken));
  for (int64_t got = 0; (got = write_to(*slave, std::string(1000, '\n'))) > 0;) taken += got;
  EXPECT_LT(read_from(*master, 65536).size(), 30'000u);
  std::vector<FilePtr> all;
  while (all.size() < 1000)
    if (FilePtr next = guest.open("/dev/ptmx", O_RDWR)) {
      all.push_back(next);
    } else {
      break;
    }
  EXPECT_EQ(all.size(), 63u);
  EXPECT_EQ(guest.error, -ENOSPC);
}

}  // namespace
}  // namespace shrike::sandbox::microvm
