#include "sandbox/sink_answer.h"

#include <gtest/gtest.h>

namespace shrike::sandbox {
namespace {

std::string query_for(uint16_t type) {
  std::string query(
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
      "example\x03"
      "com\x00",
      25);
  query += static_cast<char>(type >> 8);
  query += static_cast<char>(type);
  return query + std::string("\x00\x01", 2);
}

TEST(SinkAnswer, EveryNameHasAnAddress) {
  const auto answer = dns_answer(query_for(1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->substr(0, 2), "\x12\x34");
  EXPECT_EQ(answer->substr(2, 2), "\x85\x80");
  EXPECT_EQ((*answer)[7], 1);
  EXPECT_TRUE(answer->ends_with(std::string("\xcb\0\x71\x07", 4)));
  const auto six = dns_answer(query_for(28));
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->size(), answer->size() + 12);
  const auto mail = dns_answer(query_for(15));
  ASSERT_TRUE(mail.has_value());
  EXPECT_EQ((*mail)[7], 0) << "no answer, but no error";
}

TEST(SinkAnswer, WhatIsNoQueryHasNone) {
  const std::string good = query_for(1);
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(dns_answer(good.substr(0, size)).has_value()) << size;
  std::string bad = good;
  bad[2] = '\x80';
  EXPECT_FALSE(dns_answer(bad).has_value()) << "an answer itself";
  bad = good;
  bad[5] = 2;
  EXPECT_FALSE(dns_answer(bad).has_value()) << "two questions";
  bad = good;
  bad[12] = '\xc0';
  EXPECT_FALSE(dns_answer(bad).has_value()) << "a compressed name";
  EXPECT_FALSE(dns_answer(std::string(5000, '\x01')).has_value());
}

TEST(SinkAnswer, SpeaksAsTheServerThatIsExpected) {
  EXPECT_TRUE(sink_answer("GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(sink_answer(std::string("\x16\x03\x01\x02\x00", 5)).substr(0, 1), "\x15");
  EXPECT_EQ(sink_answer("garbage"), "");
  EXPECT_EQ(sink_answer(""), "");
  EXPECT_TRUE(sink_greeting(25).starts_with("220"));
  EXPECT_EQ(sink_greeting(443), "");
}

}  // namespace
}  // namespace shrike::sandbox
