#include "sandbox/microvm/files/pipe.h"

#include <sys/ioctl.h>

#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

struct Ends {
  FilePtr read, write;
  explicit Ends(GuestFiles& guest) { EXPECT_EQ(make_pipe(guest.files.store(), 0, read, write), 0); }
};

TEST(Pipe, CarriesBytesAndTheEnd) {
  GuestFiles guest;
  Ends ends(guest);
  EXPECT_EQ(read_from(*ends.read), "error " + std::to_string(EAGAIN));
  EXPECT_EQ(write_to(*ends.write, "hello"), 5);
  EXPECT_EQ(read_from(*ends.read, 2), "he");
  EXPECT_EQ(read_from(*ends.read), "llo");
  ends.write.reset();
  EXPECT_EQ(ends.read->poll(), static_cast<uint32_t>(POLLHUP));
  EXPECT_EQ(read_from(*ends.read), "");
}

TEST(Pipe, SaysThatNobodyReads) {
  GuestFiles guest;
  Ends ends(guest);
  ends.read.reset();
  EXPECT_EQ(write_to(*ends.write, "x"), -EPIPE);
  EXPECT_NE(ends.write->poll() & POLLERR, 0u);
}

TEST(Pipe, TakesSmallWritesWholeOrNotAtAll) {
  GuestFiles guest;
  Ends ends(guest);
  EXPECT_EQ(write_to(*ends.write, std::string(100'000, 'x')), 65536);
  EXPECT_EQ(ends.write->poll(), 0u);
  read_from(*ends.read, 4000);
  EXPECT_EQ(write_to(*ends.write, std::string(4096, 'y')), -EAGAIN);
  EXPECT_EQ(write_to(*ends.write, std::string(4097, 'y')), 4000);
  auto& pipe = dynamic_cast<PipeFile&>(*ends.read);
  EXPECT_EQ(pipe.set_capacity(4096), -EBUSY);
  EXPECT_EQ(pipe.set_capacity(100'000), 131072);
  EXPECT_EQ(pipe.set_capacity(2u << 20), -EPERM);
}

TEST(Pipe, IsPaidForFromOneBudgetOfAll) {
  GuestFiles guest({}, {.buffer_bytes = 10'000, .objects = 2});
  Ends first(guest), second(guest);
  EXPECT_EQ(write_to(*first.write, std::string(50'000, 'x')), 14'096);
  EXPECT_EQ(write_to(*second.write, std::string(50'000, 'x')), 4096);
  FilePtr read, write;
  EXPECT_EQ(make_pipe(guest.files.store(), 0, read, write), -ENFILE);
  first.read.reset(), first.write.reset(), second.read.reset(), second.write.reset();
  EXPECT_EQ(guest.files.account()->buffers.used(), 0u);
  EXPECT_EQ(make_pipe(guest.files.store(), 0, read, write), 0);
}

TEST(Pipe, WithANameWaitsForItsOtherEnd) {
  GuestFiles guest;
  ASSERT_EQ(guest.files.make_node(guest.name("/fifo"), S_IFIFO | 0600, 0), 0);
  EXPECT_EQ(guest.open("/fifo", O_WRONLY | O_NONBLOCK), nullptr);
  EXPECT_EQ(guest.error, -ENXIO);
  FilePtr reader = guest.open("/fifo", O_RDONLY);
  EXPECT_FALSE(reader->opened());
  EXPECT_EQ(reader->poll(), 0u);
  FilePtr writer = guest.open("/fifo", O_WRONLY);
  EXPECT_TRUE(reader->opened());
  EXPECT_TRUE(writer->opened());
  write_to(*writer, "x");
  writer.reset();
  EXPECT_TRUE(reader->opened());
  EXPECT_EQ(read_from(*reader), "x");
  EXPECT_EQ(reader->poll(), static_cast<uint32_t>(POLLHUP));
}

TEST(Pipe, TellsHowMuchItHolds) {
  GuestFiles guest;
  Ends ends(guest);
  write_to(*ends.write, "four");
  int held = 0;
  EXPECT_EQ(ends.read->control(FIONREAD, 0, std::as_writable_bytes(std::span(&held, 1))), 0);
  EXPECT_EQ(held, 4);
  EXPECT_EQ(ends.read->control(0x5401, 0, {}), -ENOTTY);
  EXPECT_TRUE(control_refused(TIOCSTI));
}

}  // namespace
}  // namespace shrike::sandbox::microvm
