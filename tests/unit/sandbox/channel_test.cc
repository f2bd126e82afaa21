#include "sandbox/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

namespace shrike::sandbox {
namespace {

struct Pair {
  Pair() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    raw = fds[0];
    ours.emplace(Fd(fds[0]));
    theirs.emplace(Fd(fds[1]));
  }
  void write(std::string_view bytes) const {
    EXPECT_EQ(::send(raw, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  int raw = -1;
  std::optional<Channel> ours, theirs;
};

TEST(Channel, AFrameArrivesWithItsDescriptors) {
  Pair pair;
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  Fd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  const int fds[] = {write_end.get(), write_end.get()};
  ASSERT_TRUE(pair.ours->send(Frame::job, "payload", fds).ok());
  ASSERT_TRUE(pair.ours->send(Frame::stop, "").ok());
  auto got = pair.theirs->receive();
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->type, Frame::job);
  EXPECT_EQ((*got)->payload, "payload");
  ASSERT_EQ((*got)->fds.size(), 2u);
  EXPECT_NE(::fcntl((*got)->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  ASSERT_EQ(::write((*got)->fds[1].get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(::read(read_end.get(), &c, 1), 1);
  got = pair.theirs->receive();
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->type, Frame::stop);
  EXPECT_TRUE((*got)->payload.empty());
}

TEST(Channel, TheOtherEndsCloseIsTheEndBetweenFramesAndAnErrorInside) {
  {
    Pair pair;
    pair.ours.reset();
    const auto got = pair.theirs->receive();
    ASSERT_TRUE(got.ok());
    EXPECT_FALSE(got->has_value());
  }
  for (const size_t size : {1, 7, 8, 10}) {
    Pair pair;
    pair.write((frame_header(Frame::out, 5) + "abcde").substr(0, size));
    pair.ours.reset();
    EXPECT_FALSE(pair.theirs->receive().ok()) << size;
  }
}

TEST(Channel, ALargeFrameGoesThroughWhileTheOtherEndReads) {
  Pair pair;
  const std::string payload(frame_payload_max, 'x');
  std::thread sender([&] { EXPECT_TRUE(pair.ours->send(Frame::calls, payload).ok()); });
  const auto got = pair.theirs->receive();
  sender.join();
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->payload, payload);
  EXPECT_FALSE(pair.ours->send(Frame::calls, payload + "x").ok());
}

TEST(Channel, RefusesWhatIsNoFrame) {
  const auto refused = [](std::string bytes) {
    Pair pair;
    pair.write(bytes);
    return !pair.theirs->receive().ok();
  };
  EXPECT_TRUE(refused(frame_header(static_cast<Frame>(0), 0)));
  EXPECT_TRUE(refused(frame_header(static_cast<Frame>(11), 0)));
  EXPECT_TRUE(refused(frame_header(Frame::out, frame_payload_max + 1)));
  EXPECT_TRUE(refused(frame_header(Frame::out, UINT32_MAX)));
  std::string header = frame_header(Frame::out, 0);
  header[6] = 1;
  EXPECT_TRUE(refused(header));
}

TEST(Channel, DescriptorsComeOnlyWithAJob) {
  Pair pair;
  const int fds[] = {0};
  ASSERT_TRUE(pair.ours->send(Frame::out, "x", fds).ok());
  EXPECT_FALSE(pair.theirs->receive().ok());
}

}  // namespace
}  // namespace shrike::sandbox
