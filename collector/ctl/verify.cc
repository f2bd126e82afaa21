// `shrike verify`: a collector's records, a state directory with nothing running, or one exported event.

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "collector/ctl/batch_stream.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/report.h"
#include "collector/ctl/times.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::ctl {
namespace {

using collector::NodeKeys;
using collector::VerifyReport;

/// Shows how far a long verification is, between a source and its reader.
class Watched : public collector::BatchSource {
 public:
  explicit Watched(collector::BatchSource& source) : source_(source) {}
  Result<bool> next(collector::StoredBatch& batch) override {
    const bool more = TRY(source_.next(batch));
    if (more && ++batches_ % 64 == 0) {
      bytes_ += batch.bytes.size();
      progress_.show("verifying: " + with_commas(batches_) + " batches");
    }
    return more;
  }

 private:
  collector::BatchSource& source_;
  Progress progress_;
  uint64_t batches_ = 0;
  uint64_t bytes_ = 0;
};

/// The keys in the answer of GET /v1/nodes.
Result<NodeKeys> keys_of_collector(Client& client) {
  const std::string body = TRY(client.get("/v1/nodes", {}));
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_array()) return Error{"the collector's list of nodes is no JSON array"};
  NodeKeys keys;
  for (const auto& node : json) {
    if (!node.is_object() || !node.contains("node") || !node["node"].is_string()) continue;
    if (!node.contains("key") || !node["key"].is_string() || node["key"].get<std::string>().empty()) continue;
    const auto name = node["node"].get<std::string>();
    const auto key = PublicKey::from_hex(node["key"].get<std::string>());
    if (!key.ok()) return key.error().in("the collector's key of node " + name);
    keys.emplace(name, *key);
  }
  return keys;
}

Result<VerifyReport> verify_collector(const VerifyOptions& options, const ApiOptions& api, const NodeKeys& pinned) {
  Client client(TRY(find_endpoint(api)));
  const NodeKeys keys = options.keys.empty() ? TRY(keys_of_collector(client)) : pinned;
  Parameters parameters{{"node", options.node}};
  if (!options.since.empty()) {
    parameters.push_back({"since", rfc3339(TRY(parse_moment(options.since, wall_now_ns())))});
  }
  BatchStream stream(client, std::move(parameters));
  Watched watched(stream);
  collector::VerifyOptions wish;
  wish.node = options.node;
  wish.from_start = options.since.empty();
  return collector::verify_batches(watched, keys, wish);
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
  collector::VerifyOptions wish;
  wish.node = options.node;
  wish.from_start = options.since.empty();
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
