#include "sandbox/sink_answer.h"

#include <array>

namespace shrike::sandbox {

namespace {

// Addresses that are nobody's: RFC 5737 and 3849.
constexpr std::string_view address4("\xcb\x00\x71\x07", 4);
constexpr std::string_view address6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);

constexpr size_t dns_header_bytes = 12;
constexpr size_t dns_query_max = 512;
constexpr uint16_t type_a = 1, type_aaaa = 28, class_in = 1;

uint16_t big_endian(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 | static_cast<unsigned char>(bytes[at + 1]));
}

/// Where the question (name, type, class) behind the header ends; nothing where it is none.
std::optional<size_t> question_end(std::string_view query) {
  size_t at = dns_header_bytes;
  for (;;) {
    if (at >= query.size()) return std::nullopt;
    const auto label = static_cast<unsigned char>(query[at]);
    ++at;
    if (label == 0) break;
    if (label > 63) return std::nullopt;  // a compressed name: a question has none
    at += label;
  }
  if (at + 4 > query.size() || at - dns_header_bytes > 255) return std::nullopt;
  return at + 4;
}

}  // namespace

std::string_view sink_greeting(uint16_t port) {
  switch (port) {
    case 21:
      return "220 ready\r\n";
    case 22:
      return "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    case 25:
    case 587:
      return "220 mail.example.com ESMTP\r\n";
    case 110:
      return "+OK ready\r\n";
    case 143:
      return "* OK ready\r\n";
    default:
      return {};
  }
}

std::string sink_answer(std::string_view first_bytes) {
  static constexpr std::array<std::string_view, 8> methods = {"GET ",    "POST ",    "HEAD ",  "PUT ",
                                                              "DELETE ", "OPTIONS ", "PATCH ", "CONNECT "};
  for (const auto method : methods)
    if (first_bytes.starts_with(method))
      return "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
  // A handshake record of any version of TLS: answered with a fatal alert, handshake_failure (RFC 8446, 6).
  if (first_bytes.size() >= 3 && first_bytes[0] == 0x16 && first_bytes[1] == 0x03)
    return std::string("\x15\x03\x03\x00\x02\x02\x28", 7);
  if (first_bytes.starts_with("EHLO ") || first_bytes.starts_with("HELO ")) return "250 mail.example.com\r\n";
  if (first_bytes.starts_with("USER ") || first_bytes.starts_with("NICK ")) return "331 go on\r\n";
  return {};
}

std::optional<std::string> dns_answer(std::string_view query) {
  if (query.size() < dns_header_bytes || query.size() > dns_query_max) return std::nullopt;
  // One question, and it is a query (RFC 1035, 4.1.1).
  if ((query[2] & '\xf8') != 0 || big_endian(query, 4) != 1) return std::nullopt;
  const auto end = question_end(query);
  if (!end) return std::nullopt;
  const uint16_t type = big_endian(query, *end - 4);
  const bool known = big_endian(query, *end - 2) == class_in && (type == type_a || type == type_aaaa);
  std::string answer(query.substr(0, *end));
  answer[2] = '\x85';  // an answer, authoritative, recursion was desired
  answer[3] = '\x80';
  answer.replace(6, 6, std::string("\0\x01\0\0\0\0", 6));
  answer[7] = known ? '\x01' : '\0';
  if (!known) return answer;
  const auto address = type == type_a ? address4 : address6;
  answer += std::string("\xc0\x0c", 2);  // the question's name
  answer += query.substr(*end - 4, 4);
  answer += std::string("\0\0\0\x3c\0", 5);  // a minute
  answer += static_cast<char>(address.size());
  answer += address;
  return answer;
}

}  // namespace shrike::sandbox
