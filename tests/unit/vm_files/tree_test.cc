#include "sandbox/microvm/files/tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>

#include "sandbox/microvm/files/broker_wire.h"

namespace shrike::sandbox::microvm {
namespace {

std::vector<std::pair<std::string, std::string>> sample() {
  return {{"/etc/motd", "hello"}, {"/bin", "->usr/bin"}, {"/empty/", ""}, {"/usr/bin/true", "\177ELF"}};
}

TEST(MemoryTree, GivesFoldersFilesAndLinksByNumber) {
  auto tree = memory_tree(sample());
  auto root = tree->list(tree_root);
  ASSERT_TRUE(root.ok());
  ASSERT_EQ(root->size(), 4u);
  EXPECT_EQ((*root)[0].name, "bin");
  EXPECT_EQ(tree->look((*root)[0].number)->target, "usr/bin");
  EXPECT_TRUE(S_ISDIR((*root)[1].mode));
  auto etc = tree->list((*root)[2].number);
  ASSERT_TRUE(etc.ok());
  std::byte bytes[3];
  EXPECT_EQ(tree->read(etc->front().number, 2, bytes).value(), 3u);
  EXPECT_EQ(std::memcmp(bytes, "llo", 3), 0);
  EXPECT_FALSE(tree->list(etc->front().number).ok());
  EXPECT_FALSE(tree->read(tree_root, 0, bytes).ok());
  EXPECT_FALSE(tree->look(99).ok());
}

/// Serves `tree` as a broker does, until the other end closes.
class Broker {
 public:
  explicit Broker(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    client_.reset(ends[0]);
    server_.reset(ends[1]);
    thread_ = std::thread([this] { serve(); });
  }
  ~Broker() {
    client_.reset();
    thread_.join();
  }
  Fd client() { return std::move(client_); }

 private:
  void serve() {
    char bytes[64];
    for (ssize_t n = 0; (n = ::recv(server_.get(), bytes, sizeof bytes, 0)) > 0;) {
      auto request = decode_request(std::string_view(bytes, static_cast<size_t>(n)));
      if (!request) return;
      answer(*request);
    }
  }
  void answer(const BrokerRequest& request) {
    std::string reply = encode_plain(request.operation, ENOENT);
    Fd file;
    if (request.operation == BrokerOperation::list) {
      if (auto all = tree_->list(request.number); all.ok()) reply = encode_list(*all, request.from);
    } else if (auto entry = tree_->look(request.number); entry.ok()) {
      if (request.operation == BrokerOperation::look) reply = encode_look(*entry);
      if (request.operation == BrokerOperation::open && S_ISREG(entry->mode)) {
        reply = encode_plain(request.operation, 0);
        file = bytes_of(request.number, entry->size_bytes);
      }
    }
    iovec piece{reply.data(), reply.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (file.valid()) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int));
      const int fd = file.get();
      std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    EXPECT_EQ(::sendmsg(server_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(reply.size()));
  }
  Fd bytes_of(uint64_t number, uint64_t size) {
    std::vector<std::byte> bytes(size);
    EXPECT_TRUE(tree_->read(number, 0, bytes).ok());
    Fd fd(::memfd_create("file", MFD_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), bytes.data(), size), static_cast<ssize_t>(size));
    return fd;
  }

  std::unique_ptr<Tree> tree_;
  Fd client_, server_;
  std::thread thread_;
};

TEST(BrokerTree, IsTheSameTreeAsAtTheBroker) {
  Broker broker(memory_tree(sample()));
  auto tree = broker_tree(broker.client());
  auto own = memory_tree(sample());
  for (uint64_t number = 1; number < 9; ++number) {
    auto here = own->look(number), there = tree->look(number);
    ASSERT_EQ(here.ok(), there.ok()) << number;
    if (here.ok()) {
      EXPECT_EQ(*here, *there);
    }
    auto list = own->list(number), listed = tree->list(number);
    ASSERT_EQ(list.ok(), listed.ok()) << number;
    if (list.ok()) {
      EXPECT_EQ(*list, *listed);
    }
    std::byte bytes[8]{}, others[8]{};
    auto read = own->read(number, 1, bytes), got = tree->read(number, 1, others);
    ASSERT_EQ(read.ok(), got.ok()) << number;
    if (read.ok()) {
      EXPECT_EQ(*read, *got);
    }
    EXPECT_EQ(std::memcmp(bytes, others, sizeof bytes), 0);
  }
}

TEST(BrokerTree, ListsFoldersLargerThanAMessageAndReadsMoreFilesThanItKeepsOpen) {
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 3000; ++i) many.emplace_back("/" + std::to_string(i) + std::string(60, 'x'), std::to_string(i));
  Broker broker(memory_tree(many));
  auto tree = broker_tree(broker.client());
  auto all = tree->list(tree_root);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 3000u);
  for (size_t i = 0; i < 200; ++i) {
    const TreeEntry& entry = (*all)[i % 100];
    std::byte bytes[8];
    const size_t got = tree->read(entry.number, 0, bytes).value();
    EXPECT_TRUE(entry.name.starts_with(std::string_view(reinterpret_cast<char*>(bytes), got)));
  }
}

TEST(BrokerTree, SaysThatTheBrokerIsGoneOrTalksNonsense) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  Fd server(ends[1]);
  auto tree = broker_tree(Fd(ends[0]));
  ASSERT_EQ(::send(server.get(), "nonsense", 8, 0), 8);
  EXPECT_NE(tree->look(tree_root).error().message.find("its answer is none"), std::string::npos);
  EXPECT_NE(tree->look(tree_root).error().message.find("before"), std::string::npos);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  ::close(ends[1]);
  EXPECT_EQ(broker_tree(Fd(ends[0]))->look(tree_root).error().code, EIO);
}

TEST(BrokerWire, RefusesWhatIsCutOrOutOfBounds) {
  TreeEntry entry;
  entry.number = 7;
  entry.mode = S_IFREG | 0644;
  entry.name = "a";
  const std::string good = encode_list(std::span(&entry, 1), 0);
  ASSERT_TRUE(decode_answer(good));
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(decode_answer(std::string_view(good).substr(0, n))) << n;
  EXPECT_FALSE(decode_answer(good + "x"));
  for (const char* name : {"", ".", "..", "a/b"}) {
    entry.name = name;
    EXPECT_FALSE(decode_answer(encode_list(std::span(&entry, 1), 0))) << name;
  }
  entry.target = std::string(4096, 'x');
  EXPECT_FALSE(decode_answer(encode_look(entry)));
  const std::string request = encode_request({BrokerOperation::look, 5, 0});
  EXPECT_EQ(decode_request(request)->number, 5u);
  EXPECT_FALSE(decode_request(request + "x"));
  EXPECT_FALSE(decode_request(std::string(24, '\xff')));
}

}  // namespace
}  // namespace shrike::sandbox::microvm
