#include "sandbox/microvm/files/dns.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace shrike::sandbox::microvm {

namespace {

constexpr uint32_t first_address = 0xc6120001, shared_address = 0xc613fffe;  // 198.18.0.1, 198.19.255.254
constexpr size_t header_bytes = 12, name_bytes_max = 255;
constexpr uint16_t type_a = 1, type_ptr = 12, kind_internet = 1;

uint16_t big_endian(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 | static_cast<unsigned char>(bytes[at + 1]));
}

void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

void add_label(std::string& name, std::string_view label) {
  if (!name.empty()) name += '.';
  for (const char c : label) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_') {
      name += c;
    } else {
      name += '\\';
      for (const unsigned part : {byte / 100u, byte / 10u % 10, byte % 10u}) name += static_cast<char>('0' + part);
    }
  }
}

/// A name as labels; false when it is none.
bool put_name(std::string& out, std::string_view name) {
  if (name.size() > name_bytes_max - 2) return false;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > 63) return false;
    out += static_cast<char>(label.size());
    out += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  out += '\0';
  return true;
}

}  // namespace

uint32_t NameBook::address_of(std::string_view name) {
  const std::string key = lower(name);
  if (const auto known = addresses_.find(key); known != addresses_.end()) return known->second;
  if (names_.size() >= names_max) return shared_address;
  const uint32_t address = first_address + static_cast<uint32_t>(names_.size());
  names_.push_back(key);
  addresses_.emplace(key, address);
  return address;
}

std::string NameBook::name_of(uint32_t address) const {
  const uint32_t index = address - first_address;
  return address >= first_address && index < names_.size() ? names_[index] : std::string();
}

std::optional<DnsQuestion> dns_question(std::string_view message) {
  if (message.size() < header_bytes || message.size() > 4096) return std::nullopt;
  if ((message[2] & '\xf8') != 0 || big_endian(message, 4) != 1) return std::nullopt;
  DnsQuestion question;
  size_t at = header_bytes;
  for (;;) {
    if (at >= message.size()) return std::nullopt;
    const auto bytes = static_cast<unsigned char>(message[at++]);
    if (bytes == 0) break;
    if (bytes > 63 || at + bytes > message.size()) return std::nullopt;  // a question's name is not compressed
    add_label(question.name, message.substr(at, bytes));
    at += bytes;
  }
  if (at - header_bytes > name_bytes_max || at + 4 > message.size()) return std::nullopt;
  question.type = big_endian(message, at);
  question.kind = big_endian(message, at + 2);
  question.end = at + 4;
  return question;
}

std::string dns_reply(std::string_view message, const DnsQuestion& question, uint32_t address,
                      std::string_view pointer) {
  std::string data;
  bool missing = false;
  if (question.kind == kind_internet && question.type == type_a) {
    put16(data, address >> 16);
    put16(data, address & 0xffff);
  } else if (question.kind == kind_internet && question.type == type_ptr) {
    missing = pointer.empty() || !put_name(data, pointer);
    if (missing) data.clear();
  }
  std::string out(message.substr(0, 2));
  put16(out, missing ? 0x8183 : 0x8180);  // an answer; recursion desired and available; NXDOMAIN
  put16(out, 1);
  put16(out, data.empty() ? 0 : 1);
  put16(out, 0);
  put16(out, 0);
  out += message.substr(header_bytes, question.end - header_bytes);
  if (data.empty()) return out;
  put16(out, 0xc00c);  // the question's name
  put16(out, question.type);
  put16(out, kind_internet);
  put16(out, 0);
  put16(out, 300);  // seconds
  put16(out, static_cast<unsigned>(data.size()));
  return out + data;
}

std::optional<uint32_t> dns_reverse(std::string_view name) {
  const std::string text = lower(name);
  constexpr std::string_view suffix = ".in-addr.arpa";
  in_addr parsed{};
  if (!text.ends_with(suffix) ||
      ::inet_pton(AF_INET, text.substr(0, text.size() - suffix.size()).c_str(), &parsed) != 1)
    return std::nullopt;
  return parsed.s_addr;  // its bytes stand in reverse: the network's order of them is the host's of the address
}

}  // namespace shrike::sandbox::microvm
