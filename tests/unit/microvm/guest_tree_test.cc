#include "sandbox/microvm/guest_tree.h"

#include <gtest/gtest.h>

#include "sandbox/job_files.h"
#include "sandbox/microvm/file_hash.h"
#include "sandbox/microvm/files/file_system.h"

namespace shrike::sandbox::microvm {
namespace {

std::string read_all(FileSystem& files, const std::string& path) {
  Found found;
  if (files.resolve({files.root(), files.root(), {}}, nullptr, path, true, found) != 0 || !found.node) return "none";
  std::string bytes(1 << 20, '\0');
  const int64_t got = files.read(*found.node, 0, std::as_writable_bytes(std::span(bytes)));
  return got < 0 ? "error" : bytes.substr(0, static_cast<size_t>(got));
}

TEST(JobTree, FilesOfTheJobLieAboveTheHostsAndAreReadWhereTheyAre) {
  const auto host = memory_tree({{"usr/bin/tool", "the host's"}});
  auto below = std::make_unique<JobTree>(*host);
  JobTree& job = *below;
  FileSystem files(std::move(below), {}, [] { return uint64_t{0}; });
  const std::string large(200'000, 'j');
  const auto added = job.add(std::move(sealed_bytes(large, "job")).value());
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added.value().size_bytes, large.size());
  EXPECT_EQ(read_all(files, "/usr/bin/tool"), "the host's");
  EXPECT_EQ(files.put_below("/usr/bin/tool", 0755, added.value().number, added.value().size_bytes), 0);
  EXPECT_EQ(files.put_below("/new/folder/file", 0600, added.value().number, 5), 0);
  EXPECT_EQ(read_all(files, "/usr/bin/tool"), large);
  EXPECT_EQ(read_all(files, "/new/folder/file"), "jjjjj");
  std::byte one[1];
  EXPECT_FALSE(job.read(added.value().number + 1, 0, one).ok());
}

TEST(FileHash, IsTheSameInPiecesAsAtOnce) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{131'072}, size_t{400'000}}) {
    auto fd = sealed_bytes(std::string(size, 'h'), "hashed");
    const std::string whole = sha256_of_file(fd.value().get()).value();
    FileHash hash(std::move(fd).value());
    EXPECT_EQ(hash.more().value(), size < 131'072);
    EXPECT_EQ(hash.finish().value(), whole);
  }
}

}  // namespace
}  // namespace shrike::sandbox::microvm
