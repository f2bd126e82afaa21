#include "sandbox/process/trace_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "bpf/sandbox/shrike_sandbox.h"

namespace shrike::sandbox::process {
namespace {

std::string record_with(const std::vector<std::pair<TextKind, std::string>>& texts) {
  sandbox_record record{};
  record.kind = SANDBOX_CALL;
  record.number = 59;
  record.pid = 2;
  record.tid = 3;
  record.seq = 7;
  record.result = -2;
  record.arg[5] = 9;
  record.texts = static_cast<uint32_t>(texts.size());
  std::string bytes(sizeof record, '\0');
  for (const auto& [kind, text] : texts) {
    const sandbox_text head{static_cast<uint8_t>(kind), 0, static_cast<uint16_t>(text.size())};
    bytes.append(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += text;
  }
  record.size = static_cast<uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &record, sizeof record);
  return bytes;
}

Result<Call> decode(std::string_view bytes) {
  return decode_record({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

TEST(TraceRecord, BecomesACall) {
  const auto call = decode(record_with({{TextKind::path, "/bin/sh"}, {TextKind::argv, std::string("sh\0", 3)}}));
  ASSERT_TRUE(call.ok()) << call.error().message;
  EXPECT_EQ(call->number, 59);
  EXPECT_EQ(call->pid, 2u);
  EXPECT_EQ(call->tid, 3u);
  EXPECT_EQ(call->seq, 7u);
  EXPECT_EQ(call->result, -2);
  EXPECT_EQ(call->args[5], 9u);
  ASSERT_EQ(call->texts.size(), 2u);
  EXPECT_EQ(call->texts[0].text, "/bin/sh");
  EXPECT_EQ(call->texts[1].text.size(), 3u);
}

TEST(TraceRecord, WhatIsNoneIsRefused) {
  const std::string good = record_with({{TextKind::path, "/bin/sh"}});
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode(good.substr(0, size)).ok()) << size;
  const auto broken = [&](size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    return !decode(bytes).ok();
  };
  EXPECT_TRUE(broken(0, '\xff')) << "larger than it is";
  EXPECT_TRUE(broken(0, 1)) << "smaller than its head";
  EXPECT_TRUE(broken(offsetof(sandbox_record, kind), 9));
  EXPECT_TRUE(broken(offsetof(sandbox_record, abi), 9));
  EXPECT_TRUE(broken(offsetof(sandbox_record, texts), 9));
  EXPECT_TRUE(broken(offsetof(sandbox_record, texts), 2)) << "more texts than there are";
  EXPECT_TRUE(broken(sizeof(sandbox_record), 99)) << "kind of text";
  EXPECT_TRUE(broken(sizeof(sandbox_record) + offsetof(sandbox_text, length), '\xff'));
}

struct Kept final : CallSink {
  void call(const Call& call) override { seqs.push_back(call.seq); }
  std::vector<uint64_t> seqs;
};

Call numbered(uint64_t seq) {
  Call call;
  call.seq = seq;
  return call;
}

TEST(TraceOrder, PutsBackIntoOrderWhatTwoCoresHavePutTheOtherWayRound) {
  std::vector<uint64_t> seqs(1000);
  for (uint64_t i = 0; i < seqs.size(); ++i) seqs[i] = i;
  std::mt19937 random(1);
  for (size_t i = 0; i + 16 <= seqs.size(); i += 16)
    std::shuffle(seqs.begin() + static_cast<long>(i), seqs.begin() + static_cast<long>(i) + 16, random);
  Kept kept;
  TraceOrder order(64);
  for (const uint64_t seq : seqs) order.add(numbered(seq), kept);
  EXPECT_EQ(order.finish(1000, kept), 0u);
  EXPECT_EQ(kept.seqs.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(kept.seqs.begin(), kept.seqs.end()));
}

TEST(TraceOrder, CountsExactlyWhatIsMissing) {
  Kept kept;
  TraceOrder order(8);
  for (uint64_t i = 0; i < 100; ++i)
    if (i % 10 != 3 && i < 95) order.add(numbered(i), kept);
  EXPECT_EQ(order.finish(100, kept), 100u - 85u) << "ten holes, less the one at the end, and five that never came";
  EXPECT_EQ(kept.seqs.size(), 85u);
  EXPECT_TRUE(std::is_sorted(kept.seqs.begin(), kept.seqs.end()));
}

TEST(TraceOrder, OneThatComesTwiceOrTooLateIsNotGivenAgain) {
  Kept kept;
  TraceOrder order(2);
  for (const uint64_t seq : {0, 0, 5, 6, 7, 8, 1, 5}) order.add(numbered(seq), kept);
  order.finish(9, kept);
  EXPECT_EQ(kept.seqs, (std::vector<uint64_t>{0, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace shrike::sandbox::process
