#include "sandbox/sink_name.h"

#include <gtest/gtest.h>

namespace shrike::sandbox {
namespace {

std::string number(size_t value, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i > 0; --i) text += static_cast<char>(value >> (8 * (i - 1)));
  return text;
}
std::string behind(const std::string& part, size_t bytes) { return number(part.size(), bytes) + part; }

std::string hello_for(const std::string& name) {
  const std::string names = behind(std::string(1, '\0') + behind(name, 2), 2);
  const std::string extensions = number(23, 2) + behind("", 2) + number(0, 2) + behind(names, 2);
  const std::string hello =
      std::string(34, 'r') + behind("session", 1) + behind("cipher", 2) + behind("c", 1) + behind(extensions, 2);
  return "\x16\x03\x01" + behind("\x01" + behind(hello, 3), 2);
}

TEST(SinkName, IsInATlsHello) {
  const std::string hello = hello_for("c2.example.com");
  EXPECT_EQ(server_name(hello), "c2.example.com");
  for (size_t size = 0; size < hello.size(); ++size)
    EXPECT_TRUE(std::string("c2.example.com").starts_with(server_name(hello.substr(0, size)))) << size;
  EXPECT_EQ(server_name(hello_for("bad\x1b[2Jname")), "bad?[2Jname");
  EXPECT_EQ(server_name(hello_for(std::string(5000, 'a'))).size(), 255u);
}

TEST(SinkName, IsInAnHttpRequest) {
  EXPECT_EQ(server_name("GET / HTTP/1.1\r\nAccept: x\r\nHOST:  evil.example.com:8080\r\n\r\n"),
            "evil.example.com:8080");
  EXPECT_EQ(server_name("GET / HTTP/1.1\r\n\r\nHost: body\r\n"), "");
  EXPECT_EQ(server_name("GET / HTTP/1.0\r\n"), "");
  EXPECT_EQ(server_name("hello\nHost: x\n"), "");
  EXPECT_EQ(server_name("POST /x HTTP/1.1\nhost:"), "");
  EXPECT_EQ(server_name(""), "");
}

TEST(SinkName, IsInADnsQuery) {
  const std::string head("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", 12);
  EXPECT_EQ(dns_name(head + behind("evil", 1) + behind("example", 1) + std::string("\0\0\1\0\1", 5)), "evil.example");
  EXPECT_EQ(dns_name(head + std::string("\0\0\1\0\1", 5)), ".");
  EXPECT_EQ(dns_name(head + behind("evil", 1)), "") << "cut";
  EXPECT_EQ(dns_name(head + "\xc0\x0c" + std::string(8, 'x')), "") << "compressed";
  EXPECT_EQ(dns_name("short"), "");
}

TEST(Spoken, IsKnownByTheFirstBytes) {
  EXPECT_EQ(spoken("GET / HTTP/1.1\r\nHost: x\r\n"), "http");
  EXPECT_EQ(spoken("\x16\x03\x01\x02"), "tls");
  EXPECT_EQ(spoken("SSH-2.0-x\r\n"), "tcp");
  EXPECT_EQ(spoken(""), "tcp");
}

}  // namespace
}  // namespace shrike::sandbox
