#include "sandbox/summary.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cstring>

namespace shrike::sandbox {
namespace {

struct Counted final : CallSink {
  void call(const Call&) override { ++count; }
  uint64_t count = 0;
};

Call made(long number, uint32_t pid = 2) {
  Call call;
  call.number = static_cast<int32_t>(number);
  call.pid = call.tid = pid;
  return call;
}

Call begun(uint32_t pid, uint32_t parent, uint64_t time_ns = 100) {
  Call call = made(-1, pid);
  call.kind = CallKind::start;
  call.args[0] = parent;
  call.time_ns = time_ns;
  return call;
}

std::string internet(const char* text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return {reinterpret_cast<const char*>(&address), sizeof address};
}

class SummaryTest : public ::testing::Test {
 protected:
  Report report() {
    Report report;
    summary.fill(report);
    return report;
  }
  Counted counted;
  Summary summary{counted};
};

TEST_F(SummaryTest, AScriptsExecutableIsItsInterpreter) {
  summary.begin(40, "/job/script");
  summary.call(begun(2, 0));
  Call exec = made(-1);
  exec.kind = CallKind::exec;
  exec.texts = {{TextKind::exe, "/usr/bin/dash"}, {TextKind::argv, std::string("/bin/sh\0/job/script\0", 20)}};
  summary.call(exec);
  ASSERT_EQ(report().processes.size(), 1u);
  EXPECT_EQ(report().processes[0].exe, "/usr/bin/dash");
}

TEST_F(SummaryTest, WhatIsItsOwnIsNotOutsideItsFiles) {
  for (const char* path : {"/tmp/not-executable", "/usr/bin/ls"}) {
    Call call = made(SYS_openat);
    call.result = -EACCES;
    call.texts = {{TextKind::full_path, path}};
    summary.call(call);
  }
  ASSERT_EQ(report().refusals.size(), 1u);
  EXPECT_EQ(report().refusals[0].call, "openat(/usr/bin/ls)");
}

TEST_F(SummaryTest, ADeviceIsRefusedInItsOwnFoldersToo) {
  Call call = made(SYS_mknodat);
  call.result = -EACCES;
  call.texts = {{TextKind::full_path, "/tmp/disk"}};
  summary.call(call);
  ASSERT_EQ(report().refusals.size(), 1u);
  EXPECT_EQ(report().refusals[0].call, "mknodat(/tmp/disk)");
}

TEST_F(SummaryTest, ProcessesAreATreeWithWhatTheyRan) {
  summary.begin(40, "/tmp/program");
  summary.call(begun(2, 0));
  Call exec = made(-1);
  exec.kind = CallKind::exec;
  exec.texts = {{TextKind::exe, "/memfd:x (deleted)"}, {TextKind::argv, std::string("a\0b c\0", 6)}};
  summary.call(exec);
  summary.call(begun(3, 2));
  exec.pid = exec.tid = 3;
  exec.texts[0].text = "/usr/bin/env";
  summary.call(exec);
  summary.call(made(SYS_getpid, 3));
  Call thread = begun(4, 3);
  thread.pid = 3;
  summary.call(thread);
  Call exit = made(-1, 3);
  exit.kind = CallKind::exit;
  exit.args = {256, 1};
  exit.time_ns = 240;
  summary.call(exit);
  const auto processes = report().processes;
  ASSERT_EQ(processes.size(), 2u) << "a thread is none";
  EXPECT_EQ(processes[0].exe, "/tmp/program");
  EXPECT_EQ(processes[0].argv, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(processes[0].start_ns, 60u);
  EXPECT_EQ(processes[0].end_ns, 0u);
  EXPECT_EQ(processes[1].parent, 2u);
  EXPECT_EQ(processes[1].exe, "/usr/bin/env") << "only the first exec is the program's";
  EXPECT_EQ(processes[1].wait_status, 256);
  EXPECT_EQ(processes[1].end_ns, 200u);
  EXPECT_EQ(processes[1].calls, 1u);
  EXPECT_EQ(counted.count, 7u) << "all are passed on";
}

TEST_F(SummaryTest, RefusalsAreCountedByCallAndReason) {
  Call call = made(SYS_ptrace);
  call.flags = call_denied;
  for (int i = 0; i < 5; ++i) summary.call(call);
  call = made(SYS_clone3);
  call.flags = call_unknown;
  summary.call(call);
  call = made(SYS_openat);
  call.result = -EROFS;
  call.texts = {{TextKind::path, "ls"}, {TextKind::full_path, "/usr/bin/ls"}};
  summary.call(call);
  const Report r = report();
  ASSERT_EQ(r.refusals.size(), 3u);
  EXPECT_EQ(r.refusals[0].call, "ptrace");
  EXPECT_EQ(r.refusals[0].count, 5u);
  EXPECT_EQ(r.calls_denied, 5u);
  EXPECT_EQ(r.calls_unknown, 1u);
  EXPECT_EQ(r.calls, 7u);
  EXPECT_EQ(summary.first_refusal(), "ptrace");
  EXPECT_EQ(std::count_if(r.refusals.begin(), r.refusals.end(),
                          [](const Refusal& one) {
                            return one.call == "openat(/usr/bin/ls)" && one.reason == "outside its files";
                          }),
            1);
}

TEST_F(SummaryTest, AConnectionIsWhatWasAskedForAndWhatTheSinkSaw) {
  Call connect = made(SYS_connect, 5);
  connect.texts = {{TextKind::address, internet("203.0.113.7", 443)}};
  summary.call(connect);
  connect.texts = {{TextKind::address, internet("203.0.113.9", 0)}};
  summary.call(connect);
  Call socket = made(SYS_socket, 5);
  socket.args = {AF_INET, SOCK_DGRAM | SOCK_CLOEXEC};
  socket.result = 4;
  summary.call(socket);
  connect.args[0] = 4;
  connect.texts = {{TextKind::address, internet("203.0.113.53", 53)}};
  summary.call(connect);
  summary.met({0, "tcp", "203.0.113.7:443", 10, 20, "hello"});
  summary.met({0, "tcp", "203.0.113.7:443", 1, 2, "again"});
  const std::string query("\x12\x34\1\0\0\1\0\0\0\0\0\0\4evil\0\0\1\0\1", 22);
  summary.met({0, "udp", "203.0.113.53:53", 22, 38, query});
  const auto all = report().connections;
  ASSERT_EQ(all.size(), 2u) << "port 0 is no connection";
  EXPECT_EQ(all[0].pid, 5u);
  EXPECT_EQ(all[0].sent_bytes, 11u);
  EXPECT_EQ(all[0].received_bytes, 22u);
  EXPECT_EQ(all[0].first_bytes, "hello\nagain");
  EXPECT_EQ(all[1].protocol, "dns") << "whom it asked for, and not only that it asked";
  EXPECT_EQ(all[1].name, "evil");
  EXPECT_EQ(all[1].pid, 5u);
}

TEST_F(SummaryTest, EveryListIsBoundedAndTheRestCounted) {
  for (uint32_t i = 0; i < 3000; ++i) {
    summary.call(begun(i + 2, 0));
    Call call = made(SYS_connect, 2);
    call.texts = {{TextKind::address, internet("203.0.113.7", static_cast<uint16_t>(i + 1))}};
    summary.call(call);
    summary.refused("call " + std::to_string(i), "reason");
  }
  const Report r = report();
  EXPECT_EQ(r.processes.size(), report_list_max);
  EXPECT_EQ(r.processes_dropped, 2000u);
  EXPECT_EQ(r.connections.size(), report_list_max);
  EXPECT_EQ(r.connections_dropped, 2000u);
  EXPECT_EQ(r.refusals.size(), report_list_max);
  EXPECT_EQ(r.refusals_dropped, 2000u);
}

TEST(SockaddrText, NamesAddressesOfEachFamilyAndNothingElse) {
  EXPECT_EQ(sockaddr_text(internet("203.0.113.7", 443)), "203.0.113.7:443");
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(80);
  six.sin6_addr = in6addr_loopback;
  EXPECT_EQ(sockaddr_text({reinterpret_cast<const char*>(&six), sizeof six}), "[::1]:80");
  const std::string unix_path = std::string("\x01\x00", 2) + "/run/x";
  EXPECT_EQ(sockaddr_text(unix_path), "/run/x");
  EXPECT_EQ(sockaddr_text(std::string("\x01\x00\x00", 3) + "name"), "@name");
  const std::string four = internet("203.0.113.7", 443);
  for (size_t size = 0; size < four.size(); ++size) EXPECT_FALSE(sockaddr_text(four.substr(0, size)).has_value());
  EXPECT_FALSE(sockaddr_text(std::string(64, '\x7f')).has_value());
}

}  // namespace
}  // namespace shrike::sandbox
