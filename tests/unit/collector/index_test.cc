#include "collector/index.h"

#include <fstream>

#include "collector/findings.h"
#include "collector/rebuild.h"
#include "collector/state.h"
#include "collector/verifier.h"
#include "common/base/file.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

class Indexes : public test::Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    config.state_dir = dir;
    config.store.min_free_bytes = 1;
    alerts.lane = Lane::alerts;
    telemetry.key = alerts.key;
    bytes.push_back(telemetry.batch());
    bytes.push_back(alerts.batch_of({test::made_alert("One"), test::made_alert("Two", Severity::low)}));
    bytes.push_back(telemetry.drop(3, true));
    bytes.push_back(telemetry.batch());
    telemetry.reboot(2);
    bytes.push_back(telemetry.batch());
    ASSERT_TRUE(write_file_atomic(dir + "/nodes.toml", keys_to_toml({{"web-1", alerts.key.public_key()}})).ok());
  }
  /// Appends to the segments only, as if killed before the index was written.
  void store(const std::vector<std::string>& bodies) {
    StoreReport report;
    auto opened = Store::open(segments_path(dir), {1u << 20, 1}, report);
    ASSERT_TRUE(opened.ok());
    std::vector<Store::Item> items;
    for (const std::string& body : bodies) items.push_back({RecordKind::batch, 5'000'000'000, body, {}, 0});
    ASSERT_TRUE(opened->append(items).ok());
  }
  State open() {
    auto state = open_state(config);
    EXPECT_TRUE(state.ok()) << state.error().message;
    return std::move(state).value();
  }
  static std::string notes(const State& state) {
    std::string text;
    for (const Note& note : state.notes) text += note.text + "\n";
    return text;
  }
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    auto reader = IndexReader::open(index_path(dir)).value();
    EXPECT_TRUE(reader.alerts({}, INT64_MAX, [&](std::string_view line) { return all.emplace_back(line), true; }).ok());
    EXPECT_TRUE(
        reader.verdicts({}, INT64_MAX, [&](std::string_view line) { return all.emplace_back(line), true; }).ok());
    return all;
  }
  void damage(const std::string& path, size_t offset, size_t size) const {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(std::string(size, '\x5a').data(), static_cast<std::streamsize>(size));
  }

  Config config;
  test::MadeChain alerts, telemetry;
  std::vector<std::string> bytes;
};

TEST_F(Indexes, AreMadeFromTheSegments) {
  store(bytes);
  const State state = open();
  EXPECT_NE(notes(state).find("5 batches, 2 alerts"), std::string::npos) << notes(state);
  ASSERT_EQ(state.nodes.size(), 1u);
  const NodeState& node = state.nodes[0];
  EXPECT_EQ(node.node, "web-1");
  EXPECT_EQ(node.agent_version, "0.1.0");
  const LaneState& lane = node.lanes.at(Lane::telemetry);
  EXPECT_EQ(lane.head.boot, test::boot_id(2));
  EXPECT_EQ(lane.head.seq, 1u);
  EXPECT_EQ(lane.head.hash, telemetry.previous);
  EXPECT_EQ(lane.batches, 4u);
  EXPECT_EQ(lane.events, 9u);
  EXPECT_EQ(lane.dropped_batches, 3u);
  EXPECT_EQ(lane.dropped_events, 9u);
  EXPECT_EQ(lane.unlinked, 0u);
  EXPECT_EQ(lines().size(), 2u + 5u);
}

TEST_F(Indexes, CatchUpWithWhatTheyLackAndStoreNothingTwice) {
  store({bytes[0], bytes[1]});
  { const State state = open(); }
  store({bytes[2], bytes[3], bytes[4]});
  { const State state = open(); }
  EXPECT_EQ(lines().size(), 2u + 5u);
  const State state = open();
  EXPECT_EQ(notes(state), "");
  EXPECT_EQ(lines().size(), 2u + 5u);
}

TEST_F(Indexes, AreMadeAgainWhenTheyAreGone) {
  store(bytes);
  { const State state = open(); }
  const auto before = lines();
  std::filesystem::remove(index_path(dir));
  { const State state = open(); }
  EXPECT_EQ(lines(), before);
}

TEST_F(Indexes, AreSetAsideAndMadeAgainWhenTheyAreCorrupt) {
  store(bytes);
  { const State state = open(); }
  const auto before = lines();
  const size_t size = std::filesystem::file_size(index_path(dir));
  for (size_t offset = 0; offset < size; offset += 4096) {
    damage(index_path(dir), offset, 512);
    const State state = open();
    EXPECT_NE(notes(state).find("set aside as"), std::string::npos) << offset << notes(state);
    EXPECT_EQ(lines(), before) << offset;
  }
  size_t aside = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir))
    if (entry.path().filename().string().find(".corrupt-") != std::string::npos) ++aside;
  EXPECT_GE(aside, 1u);
  EXPECT_LE(aside, 9u);
}

TEST_F(Indexes, AreMadeAgainFromAnythingThatIsNoDatabase) {
  store(bytes);
  for (const std::string& content : {std::string("no database"), std::string(100'000, '\xff'), std::string()}) {
    ASSERT_TRUE(write_file_atomic(index_path(dir), content).ok());
    const State state = open();
    EXPECT_EQ(lines().size(), 2u + 5u);
  }
  suspect_index(dir);
  const State state = open();
  EXPECT_NE(notes(state).find("found corrupt while running"), std::string::npos);
  EXPECT_EQ(lines().size(), 2u + 5u);
}

TEST_F(Indexes, TellWhenTheSegmentsWereRolledBackAndNeverReuseTheirPlaces) {
  store(bytes);
  { const State state = open(); }
  const std::string path = segment_path(segments_path(dir), 1);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - bytes[4].size() - record_head_bytes - 10);
  const State state = open();
  ASSERT_EQ(state.alerts.size(), 2u) << notes(state);
  EXPECT_EQ(state.alerts[0].rule, "Evidence rolled back");
  EXPECT_EQ(state.alerts[0].severity, Severity::critical);
  EXPECT_NE(state.alerts[0].message.find("node web-1, lane telemetry, seq 5 to 5"), std::string::npos)
      << state.alerts[0].message;
  std::vector<Store::Item> items{{RecordKind::batch, 1, bytes[0], {}, 0}};
  Store again = std::move(const_cast<State&>(state).store);
  ASSERT_TRUE(again.append(items).ok());
  EXPECT_EQ(items[0].at.segment, 2u);
}

TEST_F(Indexes, SkipWhatDoesNotVerify) {
  std::string changed = bytes[3];
  changed[changed.size() - 1] = static_cast<char>(changed[changed.size() - 1] ^ 1);
  store({bytes[0], changed, "nothing"});
  const State state = open();
  EXPECT_NE(notes(state).find("2 records could not be indexed, the first: segment 1, offset"), std::string::npos)
      << notes(state);
  EXPECT_NE(notes(state).find("seq 5: its signature does not fit"), std::string::npos) << notes(state);
  EXPECT_EQ(lines().size(), 1u);
}

TEST_F(Indexes, KeepFindingsOverARebuild) {
  StoreReport report;
  {
    auto opened = Store::open(segments_path(dir), {1u << 20, 1}, report).value();
    Alert alert = test::made_alert("Batch forged");
    alert.node = "web-1";
    alert.source = AlertSource::integrity;
    const VerdictRow row{0, 9, "web-1", test::boot_id(3), Lane::alerts, 12, Verdict::forged, "why", 4};
    const std::string one = finding_of(alert);
    const std::string two = finding_of(row);
    std::vector<Store::Item> items{{RecordKind::finding, 1, one, {}, 0}, {RecordKind::finding, 1, two, {}, 0}};
    ASSERT_TRUE(opened.append(items).ok());
  }
  const State state = open();
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NE(all[0].find("\"rule\":\"Batch forged\""), std::string::npos);
  EXPECT_NE(all[1].find("\"seq\":12,\"verdict\":\"forged\",\"reason\":\"why\""), std::string::npos) << all[1];
}

TEST_F(Indexes, RefuseASecondCollectorInOneFolder) {
  const State first = open();
  const auto second = open_state(config);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("another shrike-collector"), std::string::npos);
}

TEST_F(Indexes, AnswerWithTheNewestWhenLimited) {
  store(bytes);
  const State state = open();
  auto reader = IndexReader::open(index_path(dir)).value();
  std::vector<std::string> found;
  AlertQuery query;
  query.limit = 1;
  ASSERT_TRUE(
      reader.alerts(query, INT64_MAX, [&](std::string_view line) { return found.emplace_back(line), true; }).ok());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("\"Two\""), std::string::npos);
  query = {};
  query.severity = Severity::high;
  query.rule = "One";
  query.node = "web-1";
  found.clear();
  ASSERT_TRUE(
      reader.alerts(query, INT64_MAX, [&](std::string_view line) { return found.emplace_back(line), true; }).ok());
  EXPECT_EQ(found.size(), 1u);
  found.clear();
  ASSERT_TRUE(reader.alerts(query, 0, [&](std::string_view line) { return found.emplace_back(line), true; }).ok());
  EXPECT_TRUE(found.empty());
}

TEST_F(Indexes, GiveDetonationsBackAlsoAfterTheyWereMadeAgain) {
  const CommandNews news{"job-1", {}, CommandKind::detonate, CommandState::done, "", {}};
  test::MadeChain other;
  other.node = "web-2";
  other.key = alerts.key;
  store({telemetry.batch_of_notes("job-1", "{\"n\":1}", news), telemetry.batch_of_notes("job-2", "{\"n\":2}", news)});
  (void)open();
  const auto found = [&](const DetonationQuery& query) {
    std::string out;
    auto reader = IndexReader::open(index_path(dir)).value();
    EXPECT_TRUE(reader.detonations(query, [&](std::string_view line) {
      out += line.substr(line.find("\"n\":") + 4, 1);
      return true;
    }));
    return out;
  };
  EXPECT_EQ(found({}), "12");
  EXPECT_EQ(found({.node = "web-1", .id = "job-2", .limit = {}}), "2");
  EXPECT_EQ(found({.node = "web-2", .id = "", .limit = {}}), "");
  EXPECT_EQ(found({.node = "", .id = "", .limit = 1}), "2");
  EXPECT_EQ(found({.since_ns = INT64_MAX, .node = "", .id = "", .limit = {}}), "");
}

}  // namespace
}  // namespace shrike::collector
