#include "sandbox/teller.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "sandbox/channel.h"

namespace shrike::sandbox {
namespace {

struct Ends {
  explicit Ends(const Limits& limits = {}) {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    teller.emplace(Fd(fds[0]), limits);
    client.emplace(Fd(fds[1]));
  }
  Message next() {
    auto message = client->receive();
    EXPECT_TRUE(message.ok() && message->has_value());
    return message.ok() && message->has_value() ? std::move(**message) : Message{};
  }
  std::optional<Teller> teller;
  std::optional<Channel> client;
};

size_t calls_in(std::string_view payload) {
  std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(payload.data()), payload.size());
  size_t count = 0;
  for (; !rest.empty(); ++count) {
    if (!decode_call(rest).ok()) return SIZE_MAX;
  }
  return count;
}

TEST(Teller, TellsOutputCallsAndTheReportLast) {
  Ends ends;
  ends.teller->out("hello");
  ends.teller->err("oh");
  ends.teller->call({});
  ends.teller->call({});
  ends.teller->exchange();
  EXPECT_EQ(ends.next().payload, "hello");
  EXPECT_EQ(ends.next().type, Frame::err);
  const auto calls = ends.next();
  EXPECT_EQ(calls.type, Frame::calls);
  EXPECT_EQ(calls_in(calls.payload), 2u);
  ends.teller->call({});
  Report report;
  ends.teller->fill(report);
  EXPECT_EQ(report.events_told, 3u);
  EXPECT_EQ(report.stdout_kept, 5u);
  ASSERT_TRUE(ends.teller->finish(report).ok());
  EXPECT_EQ(ends.next().type, Frame::calls);
  const auto last = ends.next();
  EXPECT_EQ(last.type, Frame::report);
  EXPECT_TRUE(report_from_json(last.payload).ok());
}

TEST(Teller, OutputAndCallsBeyondTheLimitAreCounted) {
  Limits limits;
  limits.output_bytes = 4;
  limits.calls = 2;
  Ends ends(limits);
  ends.teller->out("abcdef");
  ends.teller->out("gh");
  ends.teller->err("abcd");
  for (int i = 0; i < 5; ++i) ends.teller->call({});
  ends.teller->lost(10);
  Report report;
  ends.teller->fill(report);
  EXPECT_EQ(report.stdout_kept, 4u);
  EXPECT_EQ(report.stdout_dropped, 4u);
  EXPECT_EQ(report.stderr_dropped, 0u);
  EXPECT_EQ(report.events_told, 2u);
  EXPECT_EQ(report.events_dropped, 13u);
}

TEST(Teller, AClientThatTakesNothingCostsBoundedMemoryAndNeverBlocks) {
  Limits limits;
  limits.calls = 1'000'000;
  limits.output_bytes = 64u << 20;
  Ends ends(limits);
  EXPECT_TRUE(ends.teller->has_room());
  ends.teller->out(std::string(8u << 20, 'x'));
  ends.teller->exchange();
  EXPECT_FALSE(ends.teller->has_room());
  Call call;
  call.texts = {{TextKind::path, std::string(4000, 'a')}};
  for (int i = 0; i < 20'000; ++i) ends.teller->call(call);
  Report report;
  ends.teller->fill(report);
  EXPECT_GT(report.events_dropped, 0u);
  EXPECT_EQ(report.events_told + report.events_dropped, 20'000u);
  EXPECT_FALSE(ends.teller->finish(report, std::chrono::milliseconds(1)).ok());
}

TEST(Teller, EverythingToldArrivesOnceTheClientReads) {
  Ends ends;
  std::thread reader([&] {
    size_t calls = 0;
    for (;;) {
      const auto message = ends.next();
      if (message.type == Frame::calls) calls += calls_in(message.payload);
      if (message.type == Frame::report) break;
    }
    EXPECT_EQ(calls, 100'000u);
  });
  for (int i = 0; i < 100'000; ++i) {
    ends.teller->call({});
    if (i % 1000 == 0) ends.teller->exchange();
  }
  Report report;
  EXPECT_TRUE(ends.teller->finish(report).ok());
  reader.join();
}

TEST(Teller, StopsWhenAskedAndWhenTheClientIsGone) {
  {
    Ends ends;
    ends.teller->exchange();
    EXPECT_FALSE(ends.teller->stop_asked());
    ASSERT_TRUE(ends.client->send(Frame::stop, "").ok());
    ends.teller->exchange();
    EXPECT_TRUE(ends.teller->stop_asked());
    EXPECT_TRUE(ends.teller->finish({}).ok()) << "the report is still taken";
  }
  Ends ends;
  ends.client.reset();
  ends.teller->exchange();
  EXPECT_TRUE(ends.teller->stop_asked());
  EXPECT_FALSE(ends.teller->finish({}).ok());
}

TEST(Teller, TheProgramWaitsUntilItsPlaceIsNoted) {
  Ends ends;
  const JobPlace place{77, 4026531999};
  std::thread client([&] {
    const auto told = ends.next();
    EXPECT_EQ(told.type, Frame::placed);
    const auto got = place_of_bytes(told.payload);
    EXPECT_TRUE(got.ok() && *got == place);
    EXPECT_TRUE(ends.client->send(Frame::go, "").ok());
  });
  EXPECT_TRUE(ends.teller->placed(place).ok());
  EXPECT_FALSE(ends.teller->stop_asked());
  client.join();
}

TEST(Teller, AClientThatStopsOrGoesInsteadIsTheEndOfTheJob) {
  Ends stops, goes, silent;
  ASSERT_TRUE(stops.client->send(Frame::stop, "").ok());
  EXPECT_TRUE(stops.teller->placed({1, 2}).ok());
  EXPECT_TRUE(stops.teller->stop_asked());
  goes.client.reset();
  EXPECT_TRUE(goes.teller->placed({1, 2}).ok());
  EXPECT_TRUE(goes.teller->stop_asked());
  EXPECT_FALSE(silent.teller->placed({1, 2}, std::chrono::milliseconds(1)).ok());
}

}  // namespace
}  // namespace shrike::sandbox
