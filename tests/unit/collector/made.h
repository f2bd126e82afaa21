#pragma once
// Hand-made nodes and batches for the collector's tests.

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/wire/batch.h"
#include "common/wire/codec.h"
#include "common/wire/command_news.h"
#include "common/wire/keys.h"

namespace shrike::test {

inline BootId boot_id(uint8_t number) {
  BootId boot{};
  boot.fill(number);
  return boot;
}

inline Alert made_alert(const std::string& rule = "Read of shadow", Severity severity = Severity::high) {
  Alert alert;
  alert.time_ns = wall_now_ns();
  alert.rule = rule;
  alert.severity = severity;
  alert.message = rule + " by cat";
  alert.process.pid = 42;
  alert.process.name = "cat";
  alert.uid = "u" + std::to_string(alert.time_ns);
  return alert;
}

/// One lane of one agent: seals batches in a chain as an agent does.
struct MadeChain {
  std::string node = "web-1";
  Lane lane = Lane::telemetry;
  PrivateKey key = PrivateKey::generate();
  BootId boot = boot_id(1);
  uint64_t seq = 0;
  Digest previous{};
  Losses losses;

  BatchHeader next() {
    BatchHeader header;
    header.node = node;
    header.boot = boot;
    header.lane = lane;
    header.seq = ++seq;
    header.previous = previous;
    header.losses = losses;
    header.agent_version = "0.1.0";
    header.public_key = key.public_key().raw();
    return header;
  }
  /// A batch with `events` events.
  std::string batch(int events = 3) {
    BatchBuilder builder(lane);
    for (int i = 0; i < events; ++i) {
      Event event;
      event.kind = i % 2 == 0 ? EventKind::open : EventKind::exec;
      event.time_ns = wall_now_ns();
      event.task.pid = static_cast<uint32_t>(100 + i);
      event.path.text = "/etc/passwd";
      std::string bytes;
      encode_event(event, bytes);
      builder.add(bytes, event.time_ns);
    }
    return builder.seal(next(), key, previous);
  }
  std::string batch_of(const std::vector<Alert>& alerts) {
    BatchBuilder builder(lane);
    std::string bytes;
    for (const Alert& alert : alerts) {
      encode_alert(alert, bytes);
      builder.add(bytes, alert.time_ns);
    }
    return builder.seal(next(), key, previous);
  }
  /// A batch with one detonation's report and one command's news.
  std::string batch_of_notes(const std::string& id, const std::string& report, const CommandNews& news) {
    BatchBuilder builder(lane);
    const std::string command = command_news_to_json(news);
    const std::pair<EventKind, std::string> notes[] = {
        {EventKind::open, ""}, {EventKind::detonation, report}, {EventKind::command, command}};
    for (const auto& [kind, detail] : notes) {
      Event event;
      event.kind = kind;
      event.time_ns = wall_now_ns();
      event.path.text = id;
      event.path2.text = "local:0";
      event.detail = detail;
      std::string bytes;
      encode_event(event, bytes);
      builder.add(bytes, event.time_ns);
    }
    return builder.seal(next(), key, previous);
  }
  /// A drop statement for the next `count` batches, whose last hash is known or not.
  std::string drop(uint64_t count, bool hash_known) {
    Drop statement;
    statement.first = seq + 1;
    statement.last = seq + count;
    statement.events = count * 3;
    statement.cause = "spool_full";
    BatchHeader header = next();
    header.seq = seq = statement.last;
    if (hash_known) statement.last_hash = sha256("dropped " + std::to_string(statement.last));
    header.drop = statement;
    Digest hash{};
    std::string bytes = seal_empty(header, key, hash);
    previous = hash_known ? statement.last_hash : Digest{};
    return bytes;
  }
  /// As after a boot of the host, linked to the chain before.
  void reboot(uint8_t number) {
    boot = boot_id(number);
    seq = 0;
  }
};

}  // namespace shrike::test
