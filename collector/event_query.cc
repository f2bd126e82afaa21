#include "collector/event_query.h"

#include <deque>

#include "collector/store.h"
#include "collector/verifier.h"
#include "common/base/bytes.h"
#include "common/wire/codec.h"
#include "common/wire/protobuf.h"

namespace shrike::collector {
namespace {

constexpr size_t page_places = 256;
constexpr size_t newest_bytes_max = 64u << 20;  // of lines held back to be turned round

// One field of a message; false at the end or at the first thing that is wrong.
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;
  std::string_view bytes;
};
bool next_field(std::string_view& rest, Field& field) {
  const auto tag = proto::take_varint(rest);
  if (!tag) return false;
  field.number = static_cast<uint32_t>(*tag >> 3);
  switch (static_cast<proto::WireType>(*tag & 7)) {
    case proto::WireType::varint: {
      const auto value = proto::take_varint(rest);
      if (!value) return false;
      field.value = *value;
      return true;
    }
    case proto::WireType::bytes: {
      const auto size = proto::take_varint(rest);
      if (!size || *size > rest.size()) return false;
      field.bytes = rest.substr(0, static_cast<size_t>(*size));
      rest.remove_prefix(static_cast<size_t>(*size));
      return true;
    }
    case proto::WireType::fixed64:
    case proto::WireType::fixed32: {
      const size_t size = static_cast<proto::WireType>(*tag & 7) == proto::WireType::fixed64 ? 8 : 4;
      if (rest.size() < size) return false;
      rest.remove_prefix(size);
      return true;
    }
  }
  return false;
}

bool wanted(const EventQuery& query, std::string_view event) {
  const EventPeek peek = peek_event(event);
  return peek.time_ns >= query.batches.since_ns && peek.time_ns <= query.batches.until_ns &&
         (!query.kind || peek.kind == static_cast<uint32_t>(*query.kind)) && (!query.pid || peek.pid == *query.pid) &&
         (query.job.empty() || peek.container == query.job);
}

// The event's own JSON with where it is proven put in front.
Result<std::string> line_of(const BatchHeader& header, std::string_view event, size_t index) {
  if (header.lane == Lane::alerts) {
    if (auto alert = decode_alert(event)) {
      alert->node = header.node;
      alert->evidence = {std::string(lane_name(header.lane)), header.seq, static_cast<uint32_t>(index),
                         std::string(verdict_name(Verdict::accepted))};
      return alert_to_json(*alert);
    }
  }
  const std::string json = TRY(event_to_json(event));
  if (json.size() < 2 || json.front() != '{') return Error{"event: not a JSON object"};
  std::string line = "{\"node\":\"" + header.node + "\",\"evidence\":{\"lane\":\"" +
                     std::string(lane_name(header.lane)) + "\",\"boot\":\"" +
                     hex({reinterpret_cast<const char*>(header.boot.data()), header.boot.size()}) +
                     "\",\"seq\":" + std::to_string(header.seq) + ",\"index\":" + std::to_string(index) + "}";
  if (json != "{}") line += ",";
  return line.append(json, 1);
}

struct Opened {
  std::string bytes;
  OpenBatch batch;
  OpenPayload payload;
};
Result<void> open(const std::string& segments_dir, const BatchPlace& place, Opened& opened) {
  StoredRecord record = TRY(read_record(segments_dir, place.at, place.size));
  opened.bytes = std::move(record.bytes);
  opened.batch = TRY(open_batch(opened.bytes));
  opened.payload = TRY(open_payload(opened.batch));
  return {};
}

}  // namespace

std::string_view bytes_field(std::string_view message, uint32_t number) {
  Field field;
  std::string_view found;
  while (next_field(message, field)) {
    if (field.number == number) found = field.bytes;
    field.bytes = {};
  }
  return found;
}

EventPeek peek_event(std::string_view message) {
  EventPeek peek;
  Field field;
  while (next_field(message, field)) {
    if (field.number == 1) peek.kind = static_cast<uint32_t>(field.value);
    if (field.number == 3) peek.time_ns = field.value;
    if (field.number == 7) {
      Field inner;
      for (std::string_view task = field.bytes; next_field(task, inner);)
        if (inner.number == 2)
          peek.pid = static_cast<uint32_t>(inner.value);
        else if (inner.number == 23)
          peek.container = inner.bytes;
    }
    if (field.number == 18) {  // an alert: its own time is field 1, its process 9, of which 1 is the pid
      Field inner;
      for (std::string_view alert = field.bytes; next_field(alert, inner);) {
        if (inner.number == 1 && peek.time_ns == 0) peek.time_ns = inner.value;
        Field last;
        if (inner.number == 9)
          for (std::string_view process = inner.bytes; next_field(process, last);)
            if (last.number == 1) peek.pid = static_cast<uint32_t>(last.value);
      }
    }
  }
  return peek;
}

Result<void> query_events(IndexReader& index, const std::string& segments_dir, const EventQuery& query,
                          const std::function<bool(std::string_view)>& each, uint64_t& unread) {
  const bool newest = query.limit.has_value();
  std::deque<std::string> held;  // newest first
  size_t held_bytes = 0;
  uint64_t at = newest ? UINT64_MAX : 0;
  for (bool more = !newest || *query.limit > 0; more;) {
    const auto places = TRY(index.batches(query.batches, at, page_places, newest));
    for (const BatchPlace& place : places) {
      at = place.serial;
      Opened opened;
      if (!open(segments_dir, place, opened)) {
        ++unread;
        continue;
      }
      const auto& events = opened.payload.events;
      for (size_t i = 0; i < events.size() && more; ++i) {
        const size_t number = newest ? events.size() - 1 - i : i;
        if (!wanted(query, events[number])) continue;
        auto line = line_of(opened.batch.header, events[number], number);
        if (!line) {
          ++unread;
          continue;
        }
        if (!newest) {
          if (!each(*line)) return {};
          continue;
        }
        held_bytes += line->size();
        held.push_back(std::move(line).value());
        more = held.size() < *query.limit && held_bytes < newest_bytes_max;
      }
      if (!more) break;
    }
    if (places.size() < page_places) break;
  }
  for (auto line = held.rbegin(); line != held.rend(); ++line)
    if (!each(*line)) return {};
  return {};
}

Result<void> query_batches(IndexReader& index, const std::string& segments_dir, const BatchQuery& query,
                           const std::function<bool(std::string_view)>& each, uint64_t& unread) {
  for (uint64_t at = 0;;) {
    const auto places = TRY(index.batches(query, at, page_places, false));
    for (const BatchPlace& place : places) {
      at = place.serial;
      auto record = read_record(segments_dir, place.at, place.size);
      if (!record) {
        ++unread;
      } else if (!each(record->bytes)) {
        return {};
      }
    }
    if (places.size() < page_places) return {};
  }
}

}  // namespace shrike::collector
