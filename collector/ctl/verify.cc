// `shrike verify`: a collector's records, a state directory with nothing running, or one exported event.

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "collector/ctl/batch_stream.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/report.h"
#include "collector/ctl/times.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

using collector::NodeKeys;
using collector::VerifyReport;

/// What GET /v1/nodes says: each node's key, and how far each of its lanes has come.
struct Fleet {
  NodeKeys keys;
  std::vector<collector::Witness> heads;
};

Result<Fleet> fleet_of(Client& client) {
  const std::string body = TRY(client.get("/v1/nodes", {}));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const Error wrong{"the collector's list of nodes is not as it should be"};
  if (!json.is_array()) return wrong;
  Fleet out;
  try {  // nlohmann throws on a member of another type; this is its one place
    for (const auto& node : json) {
      const auto name = node.at("node").get<std::string>();
      if (const auto key = node.at("key").get<std::string>(); !key.empty()) {
        out.keys.emplace(name, TRY(PublicKey::from_hex(key)));
      }
      for (const auto& [lane, head] : node.at("lanes").items()) {
        collector::Witness witness;
        const std::string boot = TRY(unhex(head.at("boot").get<std::string>()));
        const auto known = lane_named(lane);
        if (!known || boot.size() != witness.boot.size()) return wrong;
        witness.node = name;
        witness.lane = *known;
        std::copy(boot.begin(), boot.end(), witness.boot.begin());
        witness.seq = head.at("seq").get<uint64_t>();
        witness.who = "the collector's list of nodes";
        if (witness.seq > 0) out.heads.push_back(std::move(witness));
      }
    }
  } catch (const nlohmann::json::exception&) {
    return wrong;
  }
  return out;
}

Result<VerifyReport> verify_collector(const VerifyOptions& options, const ApiOptions& api, const NodeKeys& pinned) {
  Client client(TRY(find_endpoint(api)));
  Fleet fleet = TRY(fleet_of(client));
  Parameters parameters{{"node", options.node}};
  if (!options.since.empty()) {
    parameters.push_back({"since", rfc3339(TRY(parse_moment(options.since, wall_now_ns())))});
  }
  BatchStream stream(client, std::move(parameters));
  Progress progress;
  collector::VerifyOptions wish = shown_on(progress);
  wish.node = options.node;
  wish.from_start = options.since.empty();
  // Read before the batches were asked for: whatever they name must be among them. From a time on, an old lane may
  // rightly have none.
  if (options.since.empty()) wish.witnesses = std::move(fleet.heads);
  return collector::verify_batches(stream, options.keys.empty() ? fleet.keys : pinned, wish);
}

/// A demo's directory holds the collector's in "collector".
std::string collector_dir(const std::string& dir) {
  const std::string inner = dir + "/collector";
  return access((inner + "/segments").c_str(), F_OK) == 0 ? inner : dir;
}

Result<VerifyReport> verify_directory(const VerifyOptions& options, const NodeKeys& pinned) {
  const std::string dir = collector_dir(options.state);
  if (access((dir + "/segments").c_str(), R_OK | X_OK) != 0) {
    return errno_error("cannot read a collector's records in " + options.state);
  }
  Progress progress;
  collector::VerifyOptions wish = shown_on(progress);
  wish.node = options.node;
  return collector::verify_state(dir, pinned, wish);
}

int verify_proof(const VerifyOptions& options, const NodeKeys& pinned, Output& out) {
  const auto text = read_file(options.file, 64u << 20);
  if (!text.ok()) {
    complain(text.error().message);
    return exit_usage;
  }
  auto proof = collector::check_proof(*text);
  if (!proof.ok()) {
    complain(options.file + ": " + proof.error().message);
    return exit_usage;
  }
  const auto known = pinned.find(proof->node);
  if (!options.keys.empty() && known == pinned.end()) {
    complain(options.keys + " has no key of node " + proof->node);
    return exit_usage;
  }
  const bool key_known = known != pinned.end() && known->second == proof->key;
  if (known != pinned.end() && !key_known && proof->proven) {
    proof->proven = false;
    proof->reason = "signed by " + proof->key.to_hex() + ", which is not this node's key";
  }
  if (options.json) {
    out.line(proof_as_json(*proof, key_known));
  } else {
    for (const std::string& line : proof_as_text(*proof, key_known, out.colour())) out.line(line);
  }
  return proof->proven ? exit_ok : exit_failed;
}

}  // namespace

collector::VerifyOptions shown_on(Progress& progress) {
  collector::VerifyOptions options;
  options.progress = [&progress](uint64_t batches) {
    progress.show("verifying: " + with_commas(batches) + " batches");
  };
  return options;
}

int run_verify(const VerifyOptions& options, const ApiOptions& api, Output& out) {
  NodeKeys pinned;
  if (!options.keys.empty()) {
    auto keys = collector::load_keys(options.keys);
    if (!keys.ok()) {
      complain(keys.error().message);
      return exit_usage;
    }
    pinned = std::move(*keys);
  }
  if (!options.file.empty()) return verify_proof(options, pinned, out);
  const auto report =
      options.state.empty() ? verify_collector(options, api, pinned) : verify_directory(options, pinned);
  if (!report.ok()) {
    complain("could not tell: " + report.error().message);
    return exit_usage;
  }
  if (options.json) {
    out.line(report_as_json(*report));
  } else {
    for (const std::string& line : report_as_text(*report, out.colour())) out.line(line);
  }
  return exit_of(*report);
}

}  // namespace shrike::ctl
