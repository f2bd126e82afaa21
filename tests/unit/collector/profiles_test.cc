#include "collector/profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "collector/state.h"
#include "common/base/file.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t modified_ns = 1'700'000'000'000'000'000;

SequenceProfile profile(const std::string& path, std::vector<Ngram> ngrams) {
  SequenceProfile p;
  p.path = path;
  p.mtime_ns = modified_ns;
  p.calls = 1000;
  p.settled = true;
  p.ngrams = std::move(ngrams);
  return p;
}

/// As an agent ships it: an event of kind sequence with the profile in path2.
std::string shipped(test::MadeChain& chain, const std::vector<SequenceProfile>& profiles) {
  BatchBuilder builder(chain.lane);
  for (const SequenceProfile& p : profiles) {
    const std::string body = encode_profiles({&p, 1});
    Event event;
    event.kind = EventKind::sequence;
    event.time_ns = wall_now_ns();
    event.arg[0] = 4;
    event.real_path = p.path;
    event.path2.text = body;
    std::string bytes;
    encode_event(event, bytes);
    builder.add(bytes, event.time_ns);
  }
  return builder.seal(chain.next(), chain.key, chain.previous);
}

std::vector<ProfileRow> rows_in(const std::string& batch) {
  const auto opened = open_batch(batch).value();
  const auto payload = open_payload(opened).value();
  return profiles_of(opened.header, payload, 7);
}

TEST(Profiles, AreReadOutOfTelemetry) {
  test::MadeChain chain;
  const auto rows = rows_in(shipped(chain, {profile("/usr/bin/a", {{1, 1}, {2, 2}}), profile("/usr/bin/b", {})}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].node, "web-1");
  EXPECT_EQ(rows[0].path, "/usr/bin/a");
  EXPECT_EQ(rows[0].mtime_ns, modified_ns);
  EXPECT_EQ(rows[0].ngrams, 2u);
  EXPECT_EQ(decode_profiles(rows[0].body).value()[0].ngrams.size(), 2u);
  EXPECT_THAT(rows_in(chain.batch()), IsEmpty()) << "other events";
}

TEST(Profiles, OfNoUseElsewhereOrDamagedArePassedOver) {
  test::MadeChain chain;
  auto of_a_user = profile("/usr/bin/a", {}), learning = of_a_user, without_time = of_a_user;
  of_a_user.uid = 1000;
  learning.settled = false;
  without_time.mtime_ns = 0;
  EXPECT_THAT(rows_in(shipped(chain, {of_a_user, learning, without_time, profile("", {})})), IsEmpty());
  BatchBuilder builder(chain.lane);
  for (const std::string& body : {std::string("SHRKSEQ1"), std::string(), std::string(1000, '\xff')}) {
    Event event;
    event.kind = EventKind::sequence;
    event.path2.text = body;
    std::string bytes;
    encode_event(event, bytes);
    builder.add(bytes, 1);
  }
  EXPECT_THAT(rows_in(builder.seal(chain.next(), chain.key, chain.previous)), IsEmpty());
}

class ProfileIndex : public test::Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    index_ = std::make_unique<Index>(Index::open(path()).value());
  }
  std::string path() const { return dir + "/index.sqlite"; }
  void put(const std::string& node, SequenceProfile p) {
    test::MadeChain chain;
    chain.node = node;
    ASSERT_TRUE(index_->begin().ok());
    for (const ProfileRow& row : rows_in(shipped(chain, {std::move(p)})))
      ASSERT_TRUE(index_->add_profile(row, ++serial_).ok());
    ASSERT_TRUE(index_->commit({}, serial_).ok());
  }
  IndexReader reader() const { return IndexReader::open(path()).value(); }
  std::vector<nlohmann::json> programs(const ProfileQuery& query = {}, size_t min_nodes = 2) const {
    std::vector<nlohmann::json> out;
    IndexReader index = reader();
    EXPECT_TRUE(each_program(index, query, [&](const ProgramProfiles& program) {
                  out.push_back(nlohmann::json::parse(program_to_json(program, min_nodes)));
                  return true;
                }).ok());
    return out;
  }
  std::vector<SequenceProfile> fleet(const ProfileQuery& query, size_t min_nodes) const {
    IndexReader index = reader();
    return open_profiles(fleet_file(index, query, min_nodes, key_).value(), key_.public_key(), fleet_limits,
                         ProfileSeal::fleet)
        .value();
  }
  std::unique_ptr<Index> index_;
  uint64_t serial_ = 0;
  PrivateKey key_ = PrivateKey::generate();
};

TEST_F(ProfileIndex, KeepsTheNewestOfEachNodeAndProgram) {
  put("a", profile("/usr/bin/x", {{1, 1}}));
  put("a", profile("/usr/bin/x", {{1, 1}, {2, 2}}));
  put("b", profile("/usr/bin/x", {{1, 1}, {3, 3}}));
  auto other_build = profile("/usr/bin/x", {{9, 9}});
  other_build.mtime_ns += 1;
  put("a", other_build);
  const auto all = programs();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["path"], "/usr/bin/x");
  EXPECT_EQ(all[0]["known"], 1);
  EXPECT_EQ(all[0]["left_out"], 2);
  ASSERT_EQ(all[0]["nodes"].size(), 2u);
  EXPECT_EQ(all[0]["nodes"][0]["node"], "a");
  EXPECT_EQ(all[0]["nodes"][0]["known"], 2);
  EXPECT_EQ(all[0]["nodes"][0]["alone"], 1);
}

TEST_F(ProfileIndex, IsAskedByPatternAndNode) {
  put("a", profile("/usr/bin/x", {{1, 1}}));
  put("b", profile("/usr/sbin/y", {{1, 1}}));
  EXPECT_EQ(programs({.node = "", .path = "/usr/bin/*"}).size(), 1u);
  EXPECT_EQ(programs({.node = "b", .path = ""}).at(0)["path"], "/usr/sbin/y");
  EXPECT_THAT(programs({.node = "", .path = "/usr/bin/X"}), IsEmpty());
}

TEST_F(ProfileIndex, MakesAFileOfWhatEnoughNodesKnow) {
  put("a", profile("/usr/bin/x", {{1, 1}, {66, 6}}));
  put("b", profile("/usr/bin/x", {{1, 1}}));
  put("c", profile("/usr/bin/lonely", {{5, 5}}));
  const auto two = fleet({}, 2);
  ASSERT_EQ(two.size(), 1u);
  EXPECT_EQ(two[0].path, "/usr/bin/x");
  EXPECT_THAT(two[0].ngrams, ElementsAre(Ngram{1, 1}));
  EXPECT_EQ(fleet({}, 1).size(), 2u);
  EXPECT_THAT(fleet({}, 3), IsEmpty());
}

TEST_F(ProfileIndex, KeepsABoundedNumberOfANodes) {
  ASSERT_TRUE(index_->begin().ok());
  ProfileRow row{.node = "flood", .path = "", .mtime_ns = 1, .body = "x"};
  for (uint64_t i = 1; i <= 8192 + 50; ++i) {
    row.path = "/" + std::to_string(i);
    ASSERT_TRUE(index_->add_profile(row, i).ok());
  }
  ASSERT_TRUE(index_->commit({}, 1).ok());
  size_t kept = 0;
  bool oldest = false;
  IndexReader index = reader();
  ASSERT_TRUE(index
                  .profiles({},
                            [&](const ProfileRow& one) {
                              ++kept;
                              oldest = oldest || one.path == "/1";
                              return true;
                            })
                  .ok());
  EXPECT_EQ(kept, 8192u);
  EXPECT_FALSE(oldest);
}

// The index can be made again from the segments alone, profiles included.
class ProfileRebuild : public test::Folder {};

TEST_F(ProfileRebuild, GivesProfilesBackFromTheSegments) {
  Config config;
  config.state_dir = dir;
  config.store.min_free_bytes = 1;
  test::MadeChain chain;
  ASSERT_TRUE(write_file_atomic(dir + "/nodes.toml", keys_to_toml({{"web-1", chain.key.public_key()}})).ok());
  {
    StoreReport report;
    auto store = Store::open(segments_path(dir), {1u << 20, 1}, report).value();
    const std::string batch = shipped(chain, {profile("/usr/bin/x", {{1, 1}})});
    std::vector<Store::Item> items{{RecordKind::batch, 5'000'000'000, batch, {}, 0}};
    ASSERT_TRUE(store.append(items).ok());
  }
  const auto state = open_state(config);
  ASSERT_TRUE(state.ok()) << state.error().message;
  IndexReader index = IndexReader::open(index_path(dir)).value();
  std::vector<std::string> paths;
  ASSERT_TRUE(index.profiles({}, [&](const ProfileRow& row) { return paths.push_back(row.path), true; }).ok());
  EXPECT_THAT(paths, ElementsAre("/usr/bin/x"));
}

}  // namespace
}  // namespace shrike::collector
