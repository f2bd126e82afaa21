#include "collector/ctl/times.h"

#include <gtest/gtest.h>

#include "common/base/clock.h"

namespace shrike::ctl {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsNumbersWithUnits) {
  EXPECT_EQ(parse_duration("250ms").value(), 250ms);
  EXPECT_EQ(parse_duration("30s").value(), 30s);
  EXPECT_EQ(parse_duration("10m").value(), 10min);
  EXPECT_EQ(parse_duration("1h30m").value(), 90min);
  EXPECT_EQ(parse_duration("1w2d").value(), 9 * 24h);
  EXPECT_EQ(parse_duration("0s").value(), 0s);
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "5", "s", "5 s", "-5s", "+5s", "1.5s", "5x", "5mm", "1m1h", "1s1s",
                           "99999999999999999999s", "9000000000000s", "5s ", "ms"}) {
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  }
}

TEST(Moment, ReadsRfc3339AndGoesBackFromNow) {
  const uint64_t now = 1'800'000'000'000'000'000;
  EXPECT_EQ(parse_moment("10m", now).value(), now - 600'000'000'000);
  EXPECT_EQ(parse_moment("100w", 5).value(), 0u);
  EXPECT_EQ(parse_moment("1970-01-01T00:00:01.5Z", now).value(), 1'500'000'000u);
  EXPECT_EQ(parse_moment("1970-01-01T01:00:00+01:00", now).value(), 0u);
  EXPECT_EQ(parse_moment("1970-01-02", now).value(), 86400ull * 1'000'000'000);
  EXPECT_EQ(parse_moment("2024-02-29T12:00:00.123456789Z", now).value(),
            parse_moment(rfc3339(parse_moment("2024-02-29T12:00:00.123456789Z", now).value()), now).value());
  EXPECT_EQ(parse_moment("1970-01-01T00:00:00.1234567899Z", now).value(), 123'456'789u);
}

TEST(Moment, RefusesWhatIsNoTime) {
  for (const char* text : {"", "yesterday", "2026-02-30T00:00:00Z", "2026-13-01", "2026-11-20T24:00:00Z",
                           "2026-11-20T08:39", "2026-11-20T08:39:00", "2026-11-20T08:39:00.Z", "2026-11-20T08:39:00Zx",
                           "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "20261120"}) {
    EXPECT_FALSE(parse_moment(text, 1).ok()) << text;
  }
}

TEST(Shown, IsShort) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(short_duration(42ms), "42 ms");
  EXPECT_EQ(short_duration(10s), "10.0 s");
  EXPECT_EQ(short_duration(75s), "1m15s");
  EXPECT_EQ(short_duration(72h), "3d0h");
  EXPECT_EQ(short_duration(-1s), "0.0 us");
  EXPECT_EQ(short_bytes(12), "12 B");
  EXPECT_EQ(short_bytes(1536), "1.5 KiB");
}

}  // namespace
}  // namespace shrike::ctl
