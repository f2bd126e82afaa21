#include "collector/api_answers.h"

#include <nlohmann/json.hpp>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json losses_json(const NodeState& node) {
  // Both lanes' headers carry the same counters: the larger is the later.
  Losses losses;
  for (const auto& [lane, state] : node.lanes)
    for (const auto& [key, count] : state.losses) losses[key] = std::max(losses[key], count);
  Json list = Json::array();
  for (const auto& [key, count] : losses)
    list.push_back({{"cause", key.cause}, {"class", key.loss_class}, {"count", count}});
  return list;
}

Json lane_json(const LaneState& lane) {
  return {{"boot", hex({reinterpret_cast<const char*>(lane.head.boot.data()), lane.head.boot.size()})},
          {"seq", lane.head.seq},
          {"hash", hex(as_bytes(lane.head.hash))},
          {"batches", lane.batches},
          {"events", lane.events},
          {"dropped_batches", lane.dropped_batches},
          {"dropped_events", lane.dropped_events},
          {"unlinked", lane.unlinked},
          {"last_received", rfc3339(lane.last_received_ns)}};
}

}  // namespace

std::string error_json(const std::string& what, const std::string& parameter) {
  Json json{{"error", what}};
  if (!parameter.empty()) json["parameter"] = parameter;
  return line(json);
}

Result<std::string> nodes_json(IndexReader& index, const Registry& registry) {
  Json list = Json::array();
  NodeKeys quiet = registry.keys();  // known, and never heard of
  for (const NodeState& node : TRY(index.nodes())) {
    const auto known = registry.find(node.node);
    quiet.erase(node.node);
    Json lanes = Json::object();
    for (const auto& [lane, state] : node.lanes) lanes[std::string(lane_name(lane))] = lane_json(state);
    list.push_back({{"node", node.node},
                    {"key", known ? known->key.to_hex() : ""},
                    {"trusted", !known                                       ? "no"
                                : known->trust == Registry::Trust::first_use ? "first_use"
                                                                             : "keys_file"},
                    {"first_seen", rfc3339(node.first_seen_ns)},
                    {"last_seen", rfc3339(node.last_seen_ns)},
                    {"agent_version", node.agent_version},
                    {"lanes", std::move(lanes)},
                    {"losses", losses_json(node)}});
  }
  for (const auto& [node, key] : quiet) {
    const auto known = registry.find(node);
    list.push_back({{"node", node},
                    {"key", key.to_hex()},
                    {"trusted", known && known->trust == Registry::Trust::first_use ? "first_use" : "keys_file"},
                    {"first_seen", nullptr},
                    {"last_seen", nullptr},
                    {"agent_version", ""},
                    {"lanes", Json::object()},
                    {"losses", Json::array()}});
  }
  return line(list);
}

Result<std::string> status_json(IndexReader& index, const ApiParts& parts) {
  const Totals totals = TRY(index.totals());
  const Gauges gauges = parts.gauges();
  Json verdicts = Json::object();
  for (uint8_t verdict = 1; verdict < 8; ++verdict) {
    uint64_t count = 0;
    for (const Lane lane : {Lane::alerts, Lane::telemetry}) count += parts.metrics.lane(lane).verdicts[verdict];
    verdicts[std::string(verdict_name(static_cast<Verdict>(verdict)))] = count;
  }
  const std::vector<NodeState> nodes = TRY(index.nodes());
  return line({{"collector", parts.collector},
               {"version", parts.version},
               {"key", parts.public_key},
               {"uptime_s", (wall_now_ns() - std::min(wall_now_ns(), parts.started_ns)) / 1'000'000'000},
               {"accepting", parts.metrics.accepting.load()},
               {"nats",
                {{"url", parts.nats_url},
                 {"connected", parts.connected()},
                 {"reconnects", parts.metrics.nats_reconnects.load()}}},
               {"nodes", nodes.size()},
               {"batches", totals.batches},
               {"events", totals.events},
               {"alerts", totals.alerts},
               {"verdicts_since_start", std::move(verdicts)},
               {"store",
                {{"segments", gauges.segments},
                 {"bytes", gauges.store_bytes},
                 {"free_bytes", gauges.free_bytes},
                 {"waiting_batches", gauges.waiting_batches}}},
               {"followers", parts.alerts.followers() + parts.verdicts.followers()}});
}

}  // namespace shrike::collector
