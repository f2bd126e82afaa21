#include "agent/sequence/profile_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/file.h"

namespace shrike::sequence {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t day_ns = 86'400ull * 1'000'000'000;
constexpr uint64_t now_ns = 20'000 * day_ns;

class Book : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/shrike-book-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] BookOptions options() const {
    BookOptions options;
    options.file = folder_ + "/sequence";
    return options;
  }
  static ProgramId id(uint64_t inode) {
    ProgramId id;
    id.inode = inode;
    return id;
  }
  static SequenceProfile program(uint64_t inode, std::vector<Ngram> ngrams, uint64_t seen_ns = now_ns) {
    SequenceProfile p;
    p.id.inode = inode;
    p.mtime_ns = 5;
    p.settled = true;
    p.seen_ns = seen_ns;
    p.ngrams = std::move(ngrams);
    return p;
  }
  std::string folder_;
  PrivateKey key_ = PrivateKey::generate();
};

TEST_F(Book, BeginsWithNothing) {
  const auto loaded = ProfileBook(options(), key_).load(now_ns);
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(*loaded, IsEmpty());
}

TEST_F(Book, KeepsProfilesAndPathsOverARestart) {
  ProfileBook before(options(), key_);
  before.saw(id(1), "/usr/bin/a");
  ASSERT_TRUE(before.save({program(1, {{1, 1}, {2, 2}}), program(2, {})}, now_ns).ok());
  ProfileBook after(options(), key_);
  const auto loaded = after.load(now_ns);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 2u);
  EXPECT_EQ((*loaded)[0].path, "/usr/bin/a");
  EXPECT_THAT((*loaded)[0].ngrams, ElementsAre(Ngram{1, 1}, Ngram{2, 2}));
  EXPECT_EQ(after.path_of(id(1)), "/usr/bin/a");
  // The kernel knows no paths: the next save has them from before.
  ASSERT_TRUE(after.save({program(1, {{1, 1}})}, now_ns).ok());
  EXPECT_EQ(ProfileBook(options(), key_).load(now_ns).value()[0].path, "/usr/bin/a");
}

TEST_F(Book, RefusesAFileThatIsCut) {
  ASSERT_TRUE(ProfileBook(options(), key_).save({program(1, {{1, 1}})}, now_ns).ok());
  const std::string bytes = read_file(options().file).value();
  for (size_t length = 0; length < bytes.size(); length += 17) {
    ASSERT_TRUE(write_file_atomic(options().file, bytes.substr(0, length)).ok());
    const auto loaded = ProfileBook(options(), key_).load(now_ns);
    ASSERT_FALSE(loaded.ok()) << length;
    EXPECT_THAT(loaded.error().message, HasSubstr("cut"));
    EXPECT_THAT(loaded.error().message, HasSubstr(options().file));
  }
}

TEST_F(Book, RefusesAFileForgedWithARightChecksum) {
  const std::string forged = encode_profiles(std::vector{program(1, {{6, 6}})}) + std::string(64, '\0');
  ASSERT_TRUE(write_file_atomic(options().file, forged).ok());
  EXPECT_THAT(ProfileBook(options(), key_).load(now_ns).error().message, HasSubstr("not signed by this node"));
  // ... and one of another node's, also a right one.
  ASSERT_TRUE(ProfileBook(options(), PrivateKey::generate()).save({program(1, {{6, 6}})}, now_ns).ok());
  EXPECT_THAT(ProfileBook(options(), key_).load(now_ns).error().message, HasSubstr("not signed by this node"));
}

TEST_F(Book, ForgetsProgramsThatNobodyRuns) {
  BookOptions wanted = options();
  wanted.keep_ns = 30 * day_ns;
  const std::vector<SequenceProfile> known = {program(1, {}, now_ns - 31 * day_ns), program(2, {}, now_ns - day_ns)};
  ASSERT_TRUE(ProfileBook(wanted, key_).save(known, now_ns - 20 * day_ns).ok());
  const auto loaded = ProfileBook(wanted, key_).load(now_ns);
  ASSERT_TRUE(loaded.ok());
  ASSERT_EQ(loaded->size(), 1u);
  EXPECT_EQ((*loaded)[0].id.inode, 2u);
}

TEST_F(Book, KeepsTheMostRecentWhereThereIsNoRoomForAll) {
  BookOptions wanted = options();
  wanted.limits = {.programs = 2, .ngrams_each = 2, .ngrams = 3};
  ASSERT_TRUE(ProfileBook(wanted, key_)
                  .save({program(1, {{1, 1}}, now_ns - 3), program(2, {{1, 1}, {2, 2}}, now_ns - 2),
                         program(3, {{1, 1}, {2, 2}, {3, 3}}, now_ns - 1)},
                        now_ns)
                  .ok());
  const auto loaded = ProfileBook(wanted, key_).load(now_ns);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  ASSERT_EQ(loaded->size(), 2u);
  EXPECT_EQ((*loaded)[0].id.inode, 3u);
  EXPECT_EQ((*loaded)[0].ngrams.size(), 2u);
  EXPECT_EQ((*loaded)[1].ngrams.size(), 1u);
}

TEST_F(Book, ShipsWhatIsSettledAndMeansSomethingElsewhereOnce) {
  ProfileBook book(options(), key_);
  book.saw(id(1), "/usr/bin/a");
  book.saw(id(2), "/usr/bin/b");
  book.saw(id(3), "/home/u/c");
  std::vector<SequenceProfile> known = {program(1, {{1, 1}}), program(2, {{1, 1}}), program(3, {{1, 1}}),
                                        program(4, {{1, 1}})};
  known[1].settled = false;
  known[2].uid = 1000;
  const auto first = book.changed(known);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].path, "/usr/bin/a");
  EXPECT_THAT(book.changed(known), IsEmpty());
  known[0].ngrams = {{1, 1}, {2, 2}};
  EXPECT_EQ(book.changed(known).size(), 1u);
}

TEST_F(Book, ShipsWhatWasNeverShippedBeforeWhatHasGrown) {
  BookOptions wanted = options();
  wanted.ship_at_once = 1;
  ProfileBook book(wanted, key_);
  book.saw(id(1), "/usr/bin/a");
  book.saw(id(2), "/usr/bin/b");
  std::vector<SequenceProfile> known = {program(1, {{1, 1}}), program(2, {{1, 1}})};
  EXPECT_EQ(book.changed(known).at(0).path, "/usr/bin/a");
  known[0].ngrams = {{1, 1}, {2, 2}};
  EXPECT_EQ(book.changed(known).at(0).path, "/usr/bin/b");
  EXPECT_EQ(book.changed(known).at(0).path, "/usr/bin/a");
}

// A container may have a file of root's with the host's name and time: it is another object.
TEST_F(Book, ShipsOnlyWhatTheHostItselfHasAtThatPath) {
  BookOptions wanted = options();
  wanted.find = [](const std::string& path, uint64_t) -> std::optional<ProgramId> {
    if (path == "/usr/bin/a") return id(1);
    return std::nullopt;
  };
  ProfileBook book(wanted, key_);
  for (const uint64_t inode : {1, 2}) book.saw(id(inode), "/usr/bin/a");
  book.saw(id(3), "/gone");
  const auto shipped = book.changed({program(2, {{6, 6}}), program(3, {{1, 1}}), program(1, {{1, 1}})});
  ASSERT_EQ(shipped.size(), 1u);
  EXPECT_EQ(shipped[0].id.inode, 1u);
}

TEST_F(Book, RemembersABoundedNumberOfPaths) {
  BookOptions wanted = options();
  wanted.limits.programs = 4;
  ProfileBook book(wanted, key_);
  for (uint64_t inode = 0; inode < 100; ++inode) book.saw(id(inode), "/tmp/" + std::to_string(inode));
  EXPECT_EQ(book.path_of(id(0)), "/tmp/0");
  EXPECT_EQ(book.path_of(id(99)), "");
}

}  // namespace
}  // namespace shrike::sequence
