#include "common/wire/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/base/bytes.h"
#include "common/base/file.h"

namespace shrike {
namespace {
using testing::HasSubstr;

struct Folder {
  Folder() {
    std::string pattern = testing::TempDir() + "/keysXXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

TEST(Sha256, FitsTheStandardsExample) {
  EXPECT_EQ(hex(as_bytes(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Keys, SignsAsRfc8032Example2) {
  const Folder folder;
  const std::string path = folder.path + "/key";
  ASSERT_TRUE(write_file_atomic(path, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb\n", 0600));
  const auto key = PrivateKey::load(path);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->public_key().to_hex(), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const Signature signature = key->sign("\x72");
  EXPECT_EQ(hex({reinterpret_cast<const char*>(signature.data()), signature.size()}),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(key->public_key().verify("\x72", signature));
}

TEST(Keys, RefuseAnyOtherMessageSignatureOrKey) {
  const PrivateKey key = PrivateKey::generate();
  const Signature signature = key.sign("message");
  EXPECT_TRUE(key.public_key().verify("message", signature));
  EXPECT_FALSE(key.public_key().verify("messagf", signature));
  EXPECT_FALSE(PrivateKey::generate().public_key().verify("message", signature));
  for (size_t i = 0; i < signature.size(); ++i) {
    Signature other = signature;
    other[i] ^= 1;
    EXPECT_FALSE(key.public_key().verify("message", other)) << i;
  }
}

TEST(Keys, SavedKeyIsPrivateAndLoadsAsTheSame) {
  const Folder folder;
  const std::string path = folder.path + "/key";
  const auto made = PrivateKey::load_or_create(path);
  ASSERT_TRUE(made) << made.error().message;
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto again = PrivateKey::load_or_create(path);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->public_key(), made->public_key());
}

TEST(Keys, LoadSaysWhatIsWrongWithAFile) {
  const Folder folder;
  const std::string path = folder.path + "/key";
  EXPECT_EQ(PrivateKey::load(path).error().code, ENOENT);
  ASSERT_TRUE(write_file_atomic(path, std::string(64, 'a'), 0640));
  EXPECT_THAT(PrivateKey::load(path).error().message, HasSubstr("readable by others"));
  for (const std::string& bad :
       {std::string(), std::string(63, 'a'), std::string(66, 'a'), std::string(64, 'x'), std::string(100000, 'a')}) {
    ASSERT_TRUE(write_file_atomic(path, bad, 0600));
    EXPECT_THAT(PrivateKey::load(path).error().message, HasSubstr("64 hexadecimal digits"));
    EXPECT_FALSE(PrivateKey::load_or_create(path)) << "a broken key must not be replaced";
  }
  EXPECT_THAT(PrivateKey::load(folder.path).error().message, HasSubstr("regular file"));
}

TEST(Keys, PublicKeyHasOnlyOneLength) {
  EXPECT_FALSE(PublicKey::from_raw(std::string(31, 'a')));
  EXPECT_FALSE(PublicKey::from_raw(std::string(33, 'a')));
  EXPECT_FALSE(PublicKey::from_hex("zz"));
  const PublicKey key = PrivateKey::generate().public_key();
  EXPECT_EQ(PublicKey::from_hex(key.to_hex()).value(), key);
  EXPECT_EQ(PublicKey::from_raw(key.raw()).value(), key);
}

TEST(Keys, NkeysAreSpeltAsNatsDoes) {
  // The example of NATS's documentation.
  const Folder folder;
  const std::string path = folder.path + "/key";
  ASSERT_TRUE(write_file_atomic(path, "29497ba00f41dd45936b4cc4bda1decb67c128e69fb3d490ee820daf7c318c0a\n", 0600));
  const PrivateKey key = PrivateKey::load(path).value();
  EXPECT_EQ(key.nkey_seed(), "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY");
  EXPECT_EQ(key.public_key().nkey(), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
}

TEST(Keys, NkeySeedFilesAreReadAndBrokenOnesRefused) {
  const Folder folder;
  const std::string path = folder.path + "/nkey.seed";
  const std::string seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
  ASSERT_TRUE(write_file_atomic(path, seed + "\n", 0600));
  const auto key = PrivateKey::load_nkey(path);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->nkey_seed(), seed);
  for (size_t i = 0; i < seed.size(); ++i) {
    std::string broken = seed;
    broken[i] = broken[i] == 'A' ? 'B' : 'A';
    ASSERT_TRUE(write_file_atomic(path, broken, 0600));
    EXPECT_FALSE(PrivateKey::load_nkey(path)) << i;
  }
  for (const std::string& bad : {std::string(), seed.substr(1), seed + "A", std::string("SU"), std::string(58, '!')}) {
    ASSERT_TRUE(write_file_atomic(path, bad, 0600));
    EXPECT_THAT(PrivateKey::load_nkey(path).error().message, HasSubstr("seed of a NATS user"));
  }
}

}  // namespace
}  // namespace shrike
