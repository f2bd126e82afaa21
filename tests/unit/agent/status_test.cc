#include "agent/status.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/status_server.h"
#include "common/base/fd.h"

namespace shrike::agent {
namespace {

Status sample() {
  Status status;
  status.version = "1.2";
  status.node = "n1";
  status.counts.events[static_cast<size_t>(EventKind::open)] = 7;
  status.losses[{"ring_full", "file"}] = 3;
  status.lanes["alerts"] = {9, 8, 1, 1000};
  status.publisher.connected = true;
  status.publisher.last_error = "bad \xff byte";
  return status;
}

/// The whole answer to one GET over loopback.
std::string get(uint16_t port, const std::string& path) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "no connection";
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "no request";
  std::string answer;
  char chunk[4096];
  for (ssize_t n = 0; (n = ::recv(fd.get(), chunk, sizeof chunk, 0)) > 0;) answer.append(chunk, static_cast<size_t>(n));
  return answer;
}

TEST(Status, SaysTheSameInJsonAndMetrics) {
  const std::string json = status_to_json(sample());
  EXPECT_NE(json.find("\"open\":7"), std::string::npos);
  EXPECT_NE(json.find(R"({"cause":"ring_full","class":"file","count":3})"), std::string::npos);
  EXPECT_NE(json.find(R"("alerts":{"sealed_seq":9,"acked_seq":8)"), std::string::npos);
  const std::string metrics = status_to_metrics(sample());
  EXPECT_NE(metrics.find("shrike_agent_events_total{kind=\"open\"} 7"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("shrike_agent_lost_events_total{cause=\"ring_full\",class=\"file\"} 3"), std::string::npos);
  EXPECT_NE(metrics.find("shrike_agent_acked_batches_total{lane=\"alerts\"} 8"), std::string::npos);
  EXPECT_NE(metrics.find("shrike_agent_publisher_connected 1"), std::string::npos);
}

TEST(StatusServer, ServesBothOnLoopbackAndStops) {
  StatusBoard board;
  board.post(sample());
  uint16_t port = 0;
  {
    // A free port: bound once by the kernel's choice, then given back.
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
  }
  {
    auto server = StatusServer::start({"127.0.0.1", port}, board);
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_NE(get(port, "/status").find("\"node\":\"n1\""), std::string::npos);
    EXPECT_NE(get(port, "/metrics").find("shrike_agent_info{"), std::string::npos);
    EXPECT_NE(get(port, "/etc/passwd").find("404"), std::string::npos);
  }
  EXPECT_EQ(get(port, "/status"), "no connection");
}

TEST(Status, KnowsItsOwnSize) { EXPECT_GT(resident_bytes(), 100'000u); }

}  // namespace
}  // namespace shrike::agent
