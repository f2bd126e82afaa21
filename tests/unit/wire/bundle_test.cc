#include "common/wire/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace shrike {
namespace {
using testing::HasSubstr;

TEST(Bundle, OpensToItsTextAndWhereItsFilesStand) {
  const std::array<std::string_view, 3> files = {"first", "", "third file"};
  const auto bytes = encode_bundle("{\"a\":1}", files);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto head = open_bundle(*bytes, bytes->size());
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->text, "{\"a\":1}");
  ASSERT_EQ(head->files.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i)
    EXPECT_EQ(bytes->substr(head->files[i].offset, head->files[i].size), files[i]);
}

TEST(Bundle, ItsHeadIsReadFromItsBeginAlone) {
  const std::string large(100'000, 'x');
  const std::array<std::string_view, 1> files = {large};
  const auto bytes = encode_bundle("text", files);
  ASSERT_TRUE(bytes);
  EXPECT_TRUE(open_bundle(std::string_view(*bytes).substr(0, 100), bytes->size()));
}

TEST(Bundle, CutOrContradictoryOnesAreRefused) {
  const std::array<std::string_view, 2> files = {"one", "two"};
  const std::string bytes = *encode_bundle("text", files);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(open_bundle(std::string_view(bytes).substr(0, size), size)) << size;
  EXPECT_FALSE(open_bundle(bytes + "x", bytes.size() + 1));
  std::string huge = bytes;
  huge[16 + 7] = '\x7f';  // the first file's size, 2^63 or so
  const auto opened = open_bundle(huge, huge.size());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("reaches over the end"));
}

TEST(Bundle, TooMuchIsNotEncoded) {
  EXPECT_FALSE(encode_bundle(std::string(bundle_text_max_bytes + 1, ' '), {}));
  const std::vector<std::string_view> many(bundle_files_max + 1);
  EXPECT_FALSE(encode_bundle("", many));
}

}  // namespace
}  // namespace shrike
