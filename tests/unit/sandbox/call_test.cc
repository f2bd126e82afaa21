#include "sandbox/call.h"

#include <gtest/gtest.h>

namespace shrike::sandbox {
namespace {

Call some_call() {
  Call call;
  call.abi = CallAbi::i386;
  call.flags = call_denied | call_no_result;
  call.number = -1;
  call.pid = 2;
  call.tid = 3;
  call.seq = UINT64_MAX;
  call.time_ns = 5;
  call.args = {1, 0, UINT64_MAX, 0, 0, 6};
  call.result = -38;
  call.texts = {{TextKind::path, "/etc/passwd"},
                {TextKind::data, std::string("\0\xff", 2)},
                {TextKind::name, ""},
                {TextKind::open_how, std::string(24, '\1')}};
  return call;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(Call, ComesBackFromItsBytesAsItWas) {
  std::string bytes;
  encode_call(some_call(), bytes);
  encode_call(Call{}, bytes);
  auto rest = bytes_of(bytes);
  const auto first = decode_call(rest);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(*first, some_call());
  const auto second = decode_call(rest);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(*second, Call{});
  EXPECT_TRUE(rest.empty());
}

TEST(Call, CutAnywhereIsAnError) {
  std::string bytes;
  encode_call(some_call(), bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto rest = bytes_of(bytes).first(size);
    EXPECT_FALSE(decode_call(rest).ok()) << size;
  }
}

TEST(Call, WhatIsTooLongIsCutAndSaysSo) {
  Call call;
  call.texts.assign(6, {TextKind::argv, std::string(5000, 'a')});
  std::string bytes;
  encode_call(call, bytes);
  auto rest = bytes_of(bytes);
  const auto got = decode_call(rest);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->texts.size(), call_texts_max);
  EXPECT_EQ(got->texts[0].text.size(), call_text_max);
  EXPECT_EQ(got->flags, call_cut);
}

TEST(Call, UnknownValuesAreErrors) {
  std::string good;
  encode_call(some_call(), good);
  const auto broken = [&](size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    auto rest = bytes_of(bytes);
    return !decode_call(rest).ok();
  };
  EXPECT_TRUE(broken(0, 5)) << "kind";
  EXPECT_TRUE(broken(1, 3)) << "ABI";
  EXPECT_TRUE(broken(3, 1)) << "flags";
  EXPECT_TRUE(broken(40, '\xff')) << "which arguments";
  EXPECT_TRUE(broken(41, 5)) << "texts";
  EXPECT_TRUE(broken(42 + 3 * 8, 11)) << "kind of text";
  EXPECT_TRUE(broken(42 + 3 * 8 + 2, '\x7f')) << "length of a text";
}

}  // namespace
}  // namespace shrike::sandbox
