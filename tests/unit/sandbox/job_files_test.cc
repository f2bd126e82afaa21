#include "sandbox/job_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

namespace shrike::sandbox {
namespace {

TEST(JobFiles, SealedBytesCannotBeChanged) {
  const auto file = sealed_bytes("abc", "test");
  ASSERT_TRUE(file.ok());
  EXPECT_NE(::pwrite(file->get(), "x", 1, 0), 1);
  EXPECT_NE(::ftruncate(file->get(), 0), 0);
  EXPECT_EQ(::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0), MAP_FAILED);
  const auto hash = sha256_of_file(file->get());
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(*hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(JobFiles, AFileIsCopiedOnceAndWithinItsLimit) {
  char name[] = "/tmp/shrike-files-XXXXXX";
  Fd file(::mkstemp(name));
  ASSERT_EQ(::write(file.get(), "0123456789", 10), 10);
  auto sealed = sealed_file(name);
  ASSERT_TRUE(sealed.ok());
  ASSERT_EQ(::pwrite(file.get(), "X", 1, 0), 1);
  char c = 0;
  EXPECT_EQ(::pread(sealed->get(), &c, 1, 0), 1);
  EXPECT_EQ(c, '0') << "what the owner writes later is not in it";
  const int number = sealed->get();
  const auto same = sealed_copy(std::move(*sealed), "again");
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->get(), number) << "sealed already";
  const auto large = sealed_file(name, 9);
  ASSERT_FALSE(large.ok());
  EXPECT_NE(large.error().message.find("larger than 9"), std::string::npos);
  std::remove(name);
  EXPECT_FALSE(sealed_file(name).ok());
  EXPECT_FALSE(sealed_file("/tmp").ok());
  EXPECT_FALSE(sealed_file("/dev/zero").ok());
}

TEST(JobFiles, DescriptorsMustBeAsManyAsTheJobSays) {
  Job job;
  job.has_input = true;
  job.files = {{"/tmp/a", 0644}};
  const auto fds = [](size_t count) {
    std::vector<Fd> all;
    for (size_t i = 0; i < count; ++i) all.emplace_back(::dup(0));
    return all;
  };
  EXPECT_FALSE(job_files(job, fds(2)).ok());
  EXPECT_FALSE(job_files(job, fds(4)).ok());
  EXPECT_FALSE(job_files(job, {}).ok());
  const auto files = job_files(job, fds(3));
  ASSERT_TRUE(files.ok());
  EXPECT_TRUE(files->program.valid() && files->input.valid());
  EXPECT_EQ(files->files.size(), 1u);
}

}  // namespace
}  // namespace shrike::sandbox
