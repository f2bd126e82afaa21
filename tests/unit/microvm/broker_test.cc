// Both ends of the broker's socket, and what is no request.

#include "sandbox/microvm/broker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sandbox/microvm/files/broker_wire.h"
#include "sandbox/microvm/guest_tree.h"

namespace shrike::sandbox::microvm {
namespace {

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    std::string name = std::filesystem::temp_directory_path() / "shrike-broker-XXXXXX";
    root = ::mkdtemp(name.data());
    std::filesystem::create_directory(root + "/data");
    for (int i = 0; i < 3000; ++i) std::ofstream(root + "/data/file-with-a-longer-name-" + std::to_string(i)) << i;
    std::ofstream(root + "/data/big") << std::string(300'000, 'x');
    tree.emplace(std::move(HostTree::open({.root = root, .paths = {"/data"}})).value());
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    broker.emplace(*tree, Fd(fds[0]));
    machine.reset(fds[1]);
  }
  ~BrokerTest() override { std::filesystem::remove_all(root); }
  void say(std::string_view bytes) {
    ASSERT_EQ(::send(machine.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  std::string root;
  std::optional<HostTree> tree;
  std::optional<Broker> broker;
  Fd machine;
};

TEST_F(BrokerTest, WhatIsNoRequestEndsIt) {
  const std::string whole = encode_request({BrokerOperation::list, tree_root, 0});
  std::string unknown = whole;
  unknown[0] = 9;
  for (const std::string& bytes :
       {std::string("x"), whole.substr(1), whole + "x", unknown, std::string(60'000, '\1')}) {
    say(bytes);
    EXPECT_FALSE(broker->serve().ok());
  }
}

TEST_F(BrokerTest, SaysWhenTheMachineHasGone) {
  EXPECT_TRUE(broker->serve().value());
  machine.reset();
  EXPECT_FALSE(broker->serve().value());
}

TEST_F(BrokerTest, AMachineThatTakesNoAnswersDoesNotHoldItUp) {
  const uint64_t data = tree->list(tree_root).value()->front().number;
  for (int i = 0; i < 4000; ++i) {
    const std::string request = encode_request({BrokerOperation::list, data, 0});
    if (::send(machine.get(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
  }
  Result<bool> served = true;
  for (int i = 0; i < 100 && served.ok(); ++i) served = broker->serve();
  EXPECT_FALSE(served.ok());
}

TEST_F(BrokerTest, DescriptorsThatComeAreNotTaken) {
  std::string request = encode_request({BrokerOperation::look, tree_root, 0});
  iovec piece{request.data(), request.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = machine.get();
  std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  ASSERT_GT(::sendmsg(machine.get(), &message, 0), 0);
  const auto open = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  const auto before = open();
  EXPECT_TRUE(broker->serve().value());
  EXPECT_EQ(open(), before);
}

TEST_F(BrokerTest, TheTreeAtTheOtherEndIsTheHosts) {
  std::thread serving([&] {
    while (true) {
      const auto served = broker->serve();
      if (!served.ok() || !*served) return;
      std::this_thread::yield();
    }
  });
  {
    const auto far = broker_tree(std::move(machine));
    const HostTree nothing_known = std::move(HostTree::open({.root = root, .paths = {}})).value();
    const auto at_first = known_tree(nothing_known, *far);
    const uint64_t data = far->list(tree_root).value().front().number;
    const auto entries = far->list(data);
    ASSERT_TRUE(entries.ok());
    EXPECT_EQ(entries.value().size(), 3001u) << "more than one message holds";
    uint64_t big = 0;
    for (const TreeEntry& entry : entries.value())
      if (entry.name == "big") big = entry.number;
    EXPECT_EQ(far->look(big).value().size_bytes, 300'000u);
    std::vector<std::byte> bytes(400'000);
    EXPECT_EQ(at_first->read(big, 100'000, bytes).value(), 200'000u);
    EXPECT_EQ(bytes[0], std::byte{'x'});
    EXPECT_FALSE(far->read(tree_root, 0, bytes).ok());
    EXPECT_FALSE(far->list(123456).ok());
  }
  serving.join();
}

}  // namespace
}  // namespace shrike::sandbox::microvm
