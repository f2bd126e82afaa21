#include "sandbox/microvm/files/sink.h"

#include <algorithm>

#include "sandbox/microvm/files/tls_hello.h"
#include "sandbox/sink_answer.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t first_bytes_max = 1024, head_max = 4096;
constexpr uint16_t dns_port = 53;

/// What a client asks for in the Host line of HTTP, without the port.
std::string http_host(std::string_view head) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    std::string_view line = head.substr(at + 2, 300);
    constexpr std::string_view key = "host:";
    const bool found = line.size() > key.size() && std::equal(key.begin(), key.end(), line.begin(), [](char a, char b) {
                         return a == (b >= 'A' && b <= 'Z' ? b + 32 : b);
                       });
    if (!found) continue;
    line.remove_prefix(key.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return std::string(line.substr(0, std::min(line.find_first_of(":\r\n"), line.size())));
  }
  return {};
}

}  // namespace

Sink::Record Sink::open(uint32_t pid, std::string_view protocol, const Endpoint& to, std::string_view name) {
  if (records_.size() >= report_list_max) {
    ++dropped_;
    return std::nullopt;
  }
  Connection& record = records_.emplace_back();
  record.pid = pid;
  record.protocol = protocol;
  record.address = to.text();
  record.name = !name.empty() ? std::string(name) : to.is_v4() ? names_.name_of(to.v4()) : std::string();
  return records_.size() - 1;
}

Sink::Record Sink::find_or_open(uint32_t pid, std::string_view protocol, const Endpoint& to, std::string_view name) {
  const std::string key = std::to_string(pid) + std::string(protocol) + to.text() + std::string(name);
  if (const auto known = datagrams_.find(key); known != datagrams_.end()) return known->second;
  const Record record = open(pid, protocol, to, name);
  if (record) datagrams_.emplace(key, *record);
  return record;
}

void Sink::sent(Record record, std::string_view bytes) {
  if (!record) return;
  Connection& to = records_[*record];
  to.sent_bytes += bytes.size();
  if (to.first_bytes.size() < first_bytes_max)
    to.first_bytes += bytes.substr(0, first_bytes_max - to.first_bytes.size());
}

void Sink::received(Record record, size_t bytes) {
  if (record) records_[*record].received_bytes += bytes;
}

void Sink::set_protocol(Record record, std::string_view protocol) {
  if (record) records_[*record].protocol = protocol;
}

void Sink::set_name(Record record, std::string_view name) {
  if (record && !name.empty()) records_[*record].name = name.substr(0, 255);
}

std::vector<Connection> Sink::connections(size_t most, uint64_t& dropped) const {
  const size_t count = std::min(most, records_.size());
  dropped += dropped_ + (records_.size() - count);
  return {records_.begin(), records_.begin() + static_cast<ptrdiff_t>(count)};
}

std::optional<std::string> Sink::answer_query(uint32_t pid, const Endpoint& to, std::string_view query) {
  const auto question = dns_question(query);
  if (!question) return std::nullopt;
  const Record record = find_or_open(pid, "dns", to, question->name.empty() ? "." : question->name);
  sent(record, query);
  std::string pointer;
  uint32_t address = 0;
  if (question->type == 12) {
    if (const auto asked = dns_reverse(question->name)) pointer = names_.name_of(*asked);
  } else {
    address = names_.address_of(question->name);
  }
  std::string reply = dns_reply(query, *question, address, pointer);
  received(record, reply.size());
  return reply;
}

SinkSession::SinkSession(Sink& sink, uint32_t pid, const Endpoint& to, uint64_t now)
    : sink_(sink), record_(sink.open(pid, "tcp", to)), pid_(pid), to_(to), heard_ns_(now) {}

SinkSession::Answer SinkSession::greeting() {
  Answer answer{std::string(sink_greeting(to_.port)), false};
  sink_.received(record_, answer.bytes.size());
  return answer;
}

SinkSession::Answer SinkSession::sent(std::string_view bytes, uint64_t now) {
  heard_ns_ = now;
  sink_.sent(record_, bytes);
  if (understood_) return {};
  head_ += bytes.substr(0, head_max - std::min(head_max, head_.size()));
  Answer answer = to_.port == dns_port ? answer_queries() : understand();
  if (understood_ || head_.size() >= head_max) {
    understood_ = true;
    std::string().swap(head_);
  }
  sink_.received(record_, answer.bytes.size());
  return answer;
}

SinkSession::Answer SinkSession::understand() {
  if (is_tls_hello(head_)) {
    bool whole = false;
    const auto name = tls_server_name(head_, whole);
    if (!whole) return {};
    understood_ = true;
    sink_.set_protocol(record_, "tls");
    if (name) sink_.set_name(record_, *name);
    return {sink_answer(head_), true};
  }
  std::string answer = sink_answer(head_);
  const bool http = answer.starts_with("HTTP/");
  // A request is answered when its head is whole; its body goes on being heard.
  if (http && head_.find("\r\n\r\n") == std::string::npos && head_.size() < head_max) return {};
  understood_ = http;
  if (http) {
    sink_.set_protocol(record_, "http");
    sink_.set_name(record_, http_host(head_));
  } else if (!answer.empty()) {
    head_.clear();  // one line of a talk
  }
  return {std::move(answer), http};
}

SinkSession::Answer SinkSession::answer_queries() {
  Answer answer;
  while (head_.size() >= 2) {
    const size_t length =
        static_cast<size_t>(static_cast<unsigned char>(head_[0])) << 8 | static_cast<unsigned char>(head_[1]);
    if (head_.size() < 2 + length) break;
    const auto reply = sink_.answer_query(pid_, to_, std::string_view(head_).substr(2, length));
    if (!reply) {
      understood_ = true;  // no DNS after all
      break;
    }
    answer.bytes += static_cast<char>(reply->size() >> 8);
    answer.bytes += static_cast<char>(reply->size());
    answer.bytes += *reply;
    head_.erase(0, 2 + length);
  }
  return answer;
}

}  // namespace shrike::sandbox::microvm
