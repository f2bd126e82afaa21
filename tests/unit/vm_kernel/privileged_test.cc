#include "sandbox/microvm/kernel/privileged.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace shrike::sandbox::microvm {
namespace {

std::string name(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return privileged_name(bytes);
}

TEST(Privileged, InstructionsHaveTheNamesOfTheManual) {
  EXPECT_EQ(name({0xf4}), "hlt");
  EXPECT_EQ(name({0xfa}), "cli");
  EXPECT_EQ(name({0xe4, 0x60}), "in");
  EXPECT_EQ(name({0xee}), "out");
  EXPECT_EQ(name({0x0f, 0x30}), "wrmsr");
  EXPECT_EQ(name({0x0f, 0x22, 0xd8}), "mov to cr3");
  EXPECT_EQ(name({0x0f, 0x21, 0xf8}), "mov from dr7");
  EXPECT_EQ(name({0x0f, 0x01, 0x14, 0x24}), "lgdt");
  EXPECT_EQ(name({0x0f, 0x01, 0x44, 0x24, 0xc0}), "sgdt");
  EXPECT_EQ(name({0x0f, 0x00, 0xd8}), "ltr");
  EXPECT_EQ(name({0x0f, 0x01, 0xf8}), "swapgs");
  EXPECT_EQ(name({0x0f, 0x01, 0xf0}), "lmsw");
  EXPECT_EQ(name({0xcd, 0x21}), "int 0x21");
}

TEST(Privileged, PrefixesAreSkipped) {
  EXPECT_EQ(name({0x48, 0x0f, 0x07}), "sysret");
  EXPECT_EQ(name({0x66, 0x2e, 0xf3, 0xf4}), "hlt");
  EXPECT_EQ(name({0x44, 0x0f, 0x22, 0xc0}), "mov to cr0");
}

TEST(Privileged, WhatProgramsMayDoHasNoName) {
  for (const auto& bytes :
       {std::initializer_list<int>{0x0f, 0x0b}, {0xcc}, {0x0f, 0x05}, {0x90}, {0xc3}, {0x0f, 0x01, 0xd0}, {0x0f, 0xa2}})
    EXPECT_EQ(name(bytes), "");
}

TEST(Privileged, BytesThatEndTooEarlyAreNothing) {
  for (const auto& bytes : {std::initializer_list<int>{},
                            {0x0f},
                            {0x66},
                            {0x48},
                            {0x0f, 0x01},
                            {0x0f, 0x22},
                            {0xcd},
                            {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66}})
    EXPECT_EQ(name(bytes), "");
}

}  // namespace
}  // namespace shrike::sandbox::microvm
