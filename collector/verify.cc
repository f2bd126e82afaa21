#include "collector/verify.h"

#include "collector/index.h"

namespace shrike::collector {

std::string_view tamper_name(Tamper tamper) {
  switch (tamper) {
    case Tamper::altered:
      return "altered";
    case Tamper::missing:
      return "missing";
    case Tamper::swapped:
      return "swapped";
    case Tamper::rolled_back:
      return "rolled_back";
    case Tamper::duplicate:
      return "duplicate";
    case Tamper::foreign_key:
      return "foreign_key";
    case Tamper::forked:
      return "forked";
    case Tamper::truncated:
      return "truncated";
    case Tamper::unreadable:
      return "unreadable";
  }
  return "unreadable";
}

VerifyReport::Outcome VerifyReport::outcome() const {
  if (problem_count > 0) return Outcome::refuted;
  return unknown_nodes.empty() && batches > 0 ? Outcome::proven : Outcome::unknown;
}

Result<SegmentBatches> SegmentBatches::open(const std::string& dir) {
  return SegmentBatches(TRY(SegmentReader::open(dir)));
}

Result<bool> SegmentBatches::next(StoredBatch& batch) {
  for (;;) {
    const auto record = TRY(reader_.next());
    if (!record) return false;
    if (record->kind == RecordKind::finding && record->damage == Damage::none) continue;
    batch = {record->bytes, record->at, record->damage};
    return true;
  }
}

namespace {
// Read before the segments: of a collector that runs, these then have at least as much.
Result<std::vector<Witness>> heads_of_index(const std::string& path) {
  IndexReader reader = TRY(IndexReader::open(path));
  const std::vector<NodeState> nodes = TRY(reader.nodes());
  std::vector<Witness> heads;
  for (const NodeState& node : nodes)
    for (const auto& [lane, state] : node.lanes)
      heads.push_back({node.node, state.head.boot, lane, state.head.seq,
                       state.head.hash_known ? std::optional<Digest>(state.head.hash) : std::nullopt, "index.sqlite"});
  return heads;
}
}  // namespace

Result<VerifyReport> verify_state(const std::string& state_dir, const NodeKeys& keys, VerifyOptions options) {
  NodeKeys pinned;
  const std::string pins = state_dir + "/nodes.toml";
  if (keys.empty()) {
    auto loaded = load_keys(pins);
    if (!loaded && loaded.error().code != ENOENT) return loaded.error();
    if (loaded) pinned = std::move(*loaded);
  }
  const NodeKeys& believed = keys.empty() ? pinned : keys;
  const auto heads = heads_of_index(state_dir + "/index.sqlite");
  if (heads) options.witnesses.insert(options.witnesses.end(), heads->begin(), heads->end());
  SegmentBatches source = TRY(SegmentBatches::open(state_dir + "/segments"));
  VerifyReport report = TRY(verify_batches(source, believed, options));
  report.notes.push_back(std::to_string(believed.size()) + (believed.size() == 1 ? " key" : " keys") + " of nodes " +
                         (keys.empty() ? "from " + pins : "given"));
  if (!report.unknown_nodes.empty() && keys.empty())
    report.notes.push_back(
        "nodes.toml has only the keys that the collector believed at first sight; those it was given "
        "are in the file that [nodes] keys_file of its configuration names");
  if (!heads) report.notes.push_back("the index cannot tell how far the store once went: " + heads.error().message);
  return report;
}

}  // namespace shrike::collector
