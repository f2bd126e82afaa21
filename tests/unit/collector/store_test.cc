#include "collector/store.h"

#include <deque>
#include <fstream>

#include "common/base/file.h"
#include "tests/unit/collector/folder.h"

namespace shrike::collector {
namespace {

class Stores : public test::Folder {
 protected:
  StoreOptions options{1u << 20, 1};
  StoreReport report;

  Store open() {
    report = {};
    auto store = Store::open(dir + "/segments", options, report);
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(store).value();
  }
  std::vector<Store::Item> items(const std::vector<std::string>& bodies) {
    std::vector<Store::Item> list;
    for (const std::string& body : bodies) list.push_back({RecordKind::batch, 7, bodies_.emplace_back(body), {}, 0});
    return list;
  }
  std::vector<std::string> all() const {
    std::vector<std::string> bodies;
    auto reader = SegmentReader::open(dir + "/segments").value();
    for (auto record = reader.next(); record.ok() && *record; record = reader.next())
      bodies.push_back((*record)->damage == Damage::none ? std::string((*record)->bytes) : "DAMAGED");
    return bodies;
  }
  std::string path(uint64_t id = 1) const { return segment_path(dir + "/segments", id); }
  void overwrite(uint64_t offset, const std::string& bytes) const {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::deque<std::string> bodies_;
};

TEST_F(Stores, GiveBackWhatWasAppendedInOrderAndByPlace) {
  Store store = open();
  const std::vector<std::string> bodies{"one", "", std::string(100'000, 'x')};
  auto list = items(bodies);
  ASSERT_TRUE(store.append(list).ok());
  EXPECT_EQ(all(), bodies);
  for (size_t i = 0; i < list.size(); ++i) {
    const auto record = read_record(dir + "/segments", list[i].at, list[i].size);
    ASSERT_TRUE(record.ok()) << record.error().message;
    EXPECT_EQ(record->bytes, bodies[i]);
    EXPECT_EQ(record->damage, Damage::none);
  }
}

TEST_F(Stores, RollToANewSegmentWhenOneIsFull) {
  Store store = open();
  for (int i = 0; i < 5; ++i) {
    auto list = items({std::string(600'000, static_cast<char>('a' + i))});
    ASSERT_TRUE(store.append(list).ok());
  }
  EXPECT_EQ(list_segments(dir + "/segments").value(), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(store.segment_count(), 3u);
  EXPECT_EQ(all().size(), 5u);
}

TEST_F(Stores, GoOnAfterTheLastRecordWhenOpenedAgain) {
  {
    Store store = open();
    auto list = items({"one"});
    ASSERT_TRUE(store.append(list).ok());
  }
  Store store = open();
  EXPECT_EQ(report.cut_bytes, 0u);
  auto list = items({"two"});
  ASSERT_TRUE(store.append(list).ok());
  EXPECT_EQ(all(), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Stores, CutATornTailAtEveryLengthAndKeepIt) {
  std::vector<Store::Item> list = items({"first", "second record"});
  {
    Store store = open();
    ASSERT_TRUE(store.append(list).ok());
  }
  const std::string whole = read_file(path()).value();
  for (size_t length = whole.size() - 1; length > list[1].at.offset; --length) {
    ASSERT_TRUE(write_file_atomic(path(), whole.substr(0, length)).ok());
    Store store = open();
    EXPECT_EQ(report.cut_bytes, length - list[1].at.offset);
    EXPECT_EQ(read_file(report.kept_as).value(), whole.substr(list[1].at.offset, length - list[1].at.offset));
    EXPECT_EQ(store.end(), list[1].at);
    EXPECT_EQ(all(), (std::vector<std::string>{"first"}));
  }
}

TEST_F(Stores, ReadOnBehindDamageInTheMiddle) {
  std::vector<Store::Item> list = items({"first", "second", "third"});
  {
    Store store = open();
    ASSERT_TRUE(store.append(list).ok());
  }
  const std::string whole = read_file(path()).value();
  for (uint64_t offset = list[1].at.offset; offset < list[2].at.offset; ++offset) {
    ASSERT_TRUE(write_file_atomic(path(), whole).ok());
    overwrite(offset, std::string(1, static_cast<char>(whole[offset] ^ 0x10)));
    Store store = open();
    EXPECT_EQ(report.cut_bytes, 0u);
    EXPECT_EQ(all(), (std::vector<std::string>{"first", "DAMAGED", "third"})) << offset;
  }
}

TEST_F(Stores, RefuseWithoutLossWhenTheDiskIsNearlyFull) {
  options.min_free_bytes = 1ull << 60;
  Store store = open();
  auto list = items({"one"});
  const auto refused = store.append(list);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_NE(refused.error().message.find("min_free_bytes"), std::string::npos);
  EXPECT_TRUE(all().empty());
}

TEST_F(Stores, NeverGiveAPlaceAgainThatWasSkipped) {
  Store store = open();
  store.skip_past(7);
  auto list = items({"one"});
  ASSERT_TRUE(store.append(list).ok());
  EXPECT_EQ(list[0].at, (Position{8, 0}));
}

}  // namespace
}  // namespace shrike::collector
