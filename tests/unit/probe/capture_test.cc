#include "agent/probe/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "tests/unit/probe/make_record.h"

namespace shrike::probe {
namespace {

using test::as_record;
using ::testing::HasSubstr;

class Capture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/capture-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = name + "/c";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The bytes of a capture of `records`.
  std::string captured(const std::vector<std::string>& records) {
    std::filesystem::remove(path_);
    {
      auto writer = CaptureWriter::create(path_, info_);
      EXPECT_TRUE(writer.ok());
      for (const auto& record : records) EXPECT_TRUE(writer->write(as_record(record)).ok());
    }
    return read_file(path_, 1u << 30).value();
  }
  // All records of `bytes`, and the error at their end, if any.
  static std::pair<std::vector<std::string>, std::string> replayed(CaptureReader& reader) {
    std::vector<std::string> records;
    for (;;) {
      auto next = reader.next();
      if (!next) return {records, next.error().message};
      if (!next->has_value()) return {records, ""};
      records.emplace_back(reinterpret_cast<const char*>((*next)->data()), (*next)->size());
    }
  }

  CaptureInfo info_{.wall_offset_ns = -5, .start_boot_ns = 77, .host = "web-1", .kernel = "6.18.0"};
  std::string folder_;
  std::string path_;
};

TEST_F(Capture, GivesBackWhatWasWritten) {
  std::vector<std::string> records;
  for (size_t i = 0; i < 3000; ++i) records.emplace_back(1 + (i * 7919) % SHRIKE_RECORD_MAX, static_cast<char>(i));
  captured(records);
  auto reader = CaptureReader::open(path_);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->info().wall_offset_ns, -5);
  EXPECT_EQ(reader->info().start_boot_ns, 77u);
  EXPECT_EQ(reader->info().host, "web-1");
  EXPECT_EQ(reader->info().kernel, "6.18.0");
  const auto [got, error] = replayed(*reader);
  EXPECT_EQ(error, "");
  EXPECT_TRUE(got == records);
  EXPECT_EQ(reader->offset(), std::filesystem::file_size(path_));
}

TEST_F(Capture, IsReadableByItsOwnerOnly) {
  captured({});
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(Capture, DoesNotWriteOverAFile) {
  captured({});
  const auto again = CaptureWriter::create(path_, info_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, EEXIST);
}

TEST_F(Capture, CutAnywhereEverythingBeforeTheCutIsUsable) {
  const std::vector<std::string> records = {"first", "", "the third"};
  const std::string whole = captured(records);
  for (size_t size = 0; size < whole.size(); ++size) {
    auto reader = CaptureReader::over(as_record(std::string_view(whole).substr(0, size)), "cut");
    if (!reader.ok()) continue;
    const auto [got, error] = replayed(*reader);
    ASSERT_LE(got.size(), records.size());
    EXPECT_TRUE(std::equal(got.begin(), got.end(), records.begin()));
    EXPECT_LT(got.size(), records.size());
    if (reader->offset() != size) {
      EXPECT_THAT(error, HasSubstr("cut: record is cut short at byte " + std::to_string(reader->offset())));
    }
  }
}

TEST_F(Capture, AnyChangedByteIsNoticed) {
  const std::string whole = captured({"first", "second"});
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    auto reader = CaptureReader::over(as_record(changed), "changed");
    if (!reader.ok()) continue;
    EXPECT_NE(replayed(*reader).second, "") << at;
  }
}

TEST_F(Capture, SaysWhatIsWrongWithAFileThatIsNone) {
  const auto refusal = [](const std::string& bytes) {
    const auto reader = CaptureReader::over(as_record(bytes), "f");
    return reader.ok() ? std::string("accepted") : reader.error().message;
  };
  EXPECT_EQ(refusal(""), "f: not a Shrike capture");
  EXPECT_EQ(refusal("something else, long enough"), "f: not a Shrike capture");
  std::string other = captured({});
  other[8] = 9;
  EXPECT_EQ(refusal(other), "f: capture version 9, this program reads 1");
  const auto missing = CaptureReader::open(folder_ + "/none");
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message, HasSubstr("/none: No such file"));
  const auto directory = CaptureReader::open(folder_);
  ASSERT_FALSE(directory.ok());
  EXPECT_THAT(directory.error().message, HasSubstr("directory"));
}

TEST_F(Capture, KnowsThisHost) {
  const CaptureInfo here = capture_info_here();
  EXPECT_FALSE(here.host.empty());
  EXPECT_FALSE(here.kernel.empty());
  EXPECT_GT(here.start_boot_ns, 0u);
}

}  // namespace
}  // namespace shrike::probe
