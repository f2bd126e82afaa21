#include "collector/feed.h"

#include <gtest/gtest.h>

namespace shrike::collector {
namespace {

struct Row {
  uint64_t serial = 0;
  int value = 0;
};
using Rows = Feed<Row>;
constexpr std::chrono::milliseconds at_once{0};
constexpr std::chrono::seconds patience{10};

std::vector<uint64_t> serials(const std::vector<Rows::RowPtr>& rows) {
  std::vector<uint64_t> all;
  for (const auto& row : rows) all.push_back(row->serial);
  return all;
}
void publish(Rows& feed, uint64_t serial, int value = 0) { feed.publish(std::make_shared<Row>(Row{serial, value})); }

TEST(Feed, GivesWhatIsNotCommittedYetAndThenWhatComes) {
  Rows feed;
  for (uint64_t serial = 1; serial <= 4; ++serial) publish(feed, serial);
  feed.committed(2);
  const auto follower = feed.follow([](const Row&) { return true; }).value();
  publish(feed, 5);
  std::vector<Rows::RowPtr> rows;
  EXPECT_EQ(follower->wait(rows, patience), Rows::Follower::State::open);
  EXPECT_EQ(serials(rows), (std::vector<uint64_t>{3, 4, 5}));
  rows.clear();
  follower->wait(rows, at_once);
  EXPECT_TRUE(rows.empty());
}

TEST(Feed, FiltersForEachFollower) {
  Rows feed;
  const auto even = feed.follow([](const Row& row) { return row.value % 2 == 0; }).value();
  for (int i = 1; i <= 4; ++i) publish(feed, static_cast<uint64_t>(i), i);
  std::vector<Rows::RowPtr> rows;
  even->wait(rows, patience);
  EXPECT_EQ(serials(rows), (std::vector<uint64_t>{2, 4}));
}

TEST(Feed, DropsAFollowerThatIsTooSlowAndNeverWaitsForIt) {
  Rows feed;
  const auto slow = feed.follow([](const Row&) { return true; }).value();
  for (uint64_t serial = 1; serial <= Rows::queue_max + 1; ++serial) publish(feed, serial);
  std::vector<Rows::RowPtr> rows;
  EXPECT_EQ(slow->wait(rows, patience), Rows::Follower::State::overrun);
  EXPECT_TRUE(rows.empty());
}

TEST(Feed, RefusesTooManyFollowersAndAllAfterItClosed) {
  Rows feed;
  std::vector<std::shared_ptr<Rows::Follower>> all;
  for (size_t i = 0; i < Rows::followers_max; ++i) all.push_back(feed.follow([](const Row&) { return true; }).value());
  EXPECT_FALSE(feed.follow([](const Row&) { return true; }).ok());
  feed.leave(all.back());
  EXPECT_TRUE(feed.follow([](const Row&) { return true; }).ok());
  feed.close();
  std::vector<Rows::RowPtr> rows;
  EXPECT_EQ(all.front()->wait(rows, patience), Rows::Follower::State::closed);
  EXPECT_FALSE(feed.follow([](const Row&) { return true; }).ok());
}

}  // namespace
}  // namespace shrike::collector
