#pragma once
// Which name a program had in mind, from the first bytes that it sent: all names lead to one address in a sink.

#include <string>
#include <string_view>

namespace shrike::sandbox {

/// The name that a DNS query asks for, "example.com"; empty where it is no query. What is no letter, digit or one of
/// "-_." becomes "?".
std::string dns_name(std::string_view query);
/// The server's name in a TLS ClientHello (RFC 6066, 3) or in an HTTP request's Host line; empty where there is none.
std::string server_name(std::string_view first_bytes);

/// What is spoken on a TCP connection that begins so: "http", "tls", or, where it is neither, "tcp".
std::string_view spoken(std::string_view first_bytes);

}  // namespace shrike::sandbox
