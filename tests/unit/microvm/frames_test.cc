// What a machine's process may send, and what it may not.

#include "sandbox/microvm/frames.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "sandbox/microvm/tell.h"

namespace shrike::sandbox::microvm {
namespace {

using sandbox::Frame;

class FramesTest : public ::testing::Test {
 protected:
  FramesTest() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ours.reset(fds[0]);
    machine.reset(fds[1]);
  }
  void say(std::string_view bytes) {
    ASSERT_EQ(::send(machine.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  Fd ours, machine;
};

TEST_F(FramesTest, FramesComeWholeHoweverTheyAreCut) {
  FrameReader reader(ours.get());
  const std::string bytes = frame_header(Frame::out, 5) + "hello" + frame_header(Frame::begun, 0);
  for (size_t i = 0; i < bytes.size(); ++i) {
    say(bytes.substr(i, 1));
    ASSERT_TRUE(reader.read().value());
    const auto frame = reader.next();
    ASSERT_TRUE(frame.ok());
    if (i == 12) {
      EXPECT_EQ(frame.value()->first, Frame::out);
      EXPECT_EQ(frame.value()->second, "hello");
    } else {
      EXPECT_EQ(frame.value().has_value(), i + 1 == bytes.size()) << i;
    }
  }
}

TEST_F(FramesTest, WhatIsNoFrameOfAMachinesIsAnError) {
  std::string filled = frame_header(Frame::out, 0);
  filled[6] = 1;
  std::string large = frame_header(Frame::out, 0);
  large[3] = 0x7f;
  std::string unknown = frame_header(Frame::out, 0);
  unknown[4] = 99;
  for (const std::string& bytes : {filled, large, unknown, frame_header(Frame::job, 0), frame_header(Frame::stop, 0)}) {
    FrameReader reader(ours.get());
    say(bytes);
    ASSERT_TRUE(reader.read().value());
    EXPECT_FALSE(reader.next().ok());
  }
}

TEST_F(FramesTest, SaysWhenTheMachineHasGone) {
  FrameReader reader(ours.get());
  say(frame_header(Frame::out, 1) + "x");
  machine.reset();
  EXPECT_FALSE(reader.read().value());
  EXPECT_TRUE(reader.next().value().has_value()) << "what it said before its end is heard";
}

TEST_F(FramesTest, WhatIsToldIsGatheredAndLosesNothing) {
  Channel channel(std::move(machine));
  Tell tell(channel);
  for (uint64_t i = 0; i < 10'000; ++i) {
    Call call;
    call.seq = i;
    call.number = 1;
    tell.call(call);
    FrameReader reader(ours.get());
    if (i == 0) {
      EXPECT_TRUE(reader.read().value());
      EXPECT_FALSE(reader.next().value().has_value()) << "one call is not worth a frame";
      EXPECT_NE(tell.first_call_ns(), 0u);
    }
    if (i % 500 != 0) continue;
    tell.output(1, std::string(100, 'o'));
    tell.output(2, "e");
    tell.flush();
    std::string out, err;
    uint64_t calls = 0;
    ASSERT_TRUE(reader.read().value());
    while (const auto frame = reader.next().value()) {
      if (frame->first == Frame::out) out += frame->second;
      if (frame->first == Frame::err) err += frame->second;
      if (frame->first != Frame::calls) continue;
      for (auto bytes = std::as_bytes(std::span(frame->second)); !bytes.empty(); ++calls)
        ASSERT_EQ(decode_call(bytes).value().seq, i == 0 ? 0 : i - 499 + calls);
    }
    EXPECT_EQ(out.size(), 100u);
    EXPECT_EQ(err, "e");
    EXPECT_EQ(calls, i == 0 ? 1u : 500u);
  }
}

TEST_F(FramesTest, ATellerWhoseListenerIsGoneSaysSo) {
  Channel channel(std::move(machine));
  Tell tell(channel);
  ours.reset();
  tell.output(1, "x");
  tell.flush();
  EXPECT_TRUE(tell.gone());
}

}  // namespace
}  // namespace shrike::sandbox::microvm
