#pragma once
// What the guest finds on the Internet: servers everywhere, which say little and remember all. And what they remember.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/microvm/files/dns.h"
#include "sandbox/microvm/files/internet_address.h"
#include "sandbox/report.h"

namespace shrike::sandbox::microvm {

class SinkSession;

/// Records of what the guest reached, bounded.
class Sink {
 public:
  /// A record's place; beyond report_list_max there are none, and they are counted.
  using Record = std::optional<size_t>;
  Record open(uint32_t pid, std::string_view protocol, const Endpoint& to, std::string_view name = {});
  /// The same, or the one that is there already: for datagrams.
  Record find_or_open(uint32_t pid, std::string_view protocol, const Endpoint& to, std::string_view name = {});
  void sent(Record record, std::string_view bytes);
  void received(Record record, size_t bytes);
  void set_protocol(Record record, std::string_view protocol);
  void set_name(Record record, std::string_view name);
  [[nodiscard]] std::vector<Connection> connections(size_t most, uint64_t& dropped) const;

  /// The answer to a DNS query that was sent `to`; nothing for what is none.
  std::optional<std::string> answer_query(uint32_t pid, const Endpoint& to, std::string_view query);

 private:
  std::vector<Connection> records_;
  std::map<std::string, size_t> datagrams_;  // records by pid, protocol, address and name
  uint64_t dropped_ = 0;
  NameBook names_;
};

/// One TCP connection to the sink.
class SinkSession {
 public:
  static constexpr uint64_t patience_ns = 60'000'000'000;  ///< of silence, in virtual time

  SinkSession(Sink& sink, uint32_t pid, const Endpoint& to, uint64_t now);
  /// What it says, and whether it closes then.
  struct Answer {
    std::string bytes;
    bool closes = false;
  };
  Answer greeting();
  Answer sent(std::string_view bytes, uint64_t now);
  [[nodiscard]] uint64_t closes_at() const { return heard_ns_ + patience_ns; }

 private:
  Answer understand();
  Answer answer_queries();

  Sink& sink_;
  Sink::Record record_;
  uint32_t pid_;
  Endpoint to_;
  std::string head_;  // what was sent until it is understood, at most 4 KiB
  bool understood_ = false;
  uint64_t heard_ns_;
};

}  // namespace shrike::sandbox::microvm
