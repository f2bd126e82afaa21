#include "collector/registry.h"

#include "common/base/file.h"
#include "tests/unit/collector/folder.h"
#include "tests/unit/collector/made.h"

namespace shrike::collector {
namespace {

class Registries : public test::Folder {
 protected:
  Registry open(bool trust_first, const std::string& keys_file = {}) {
    auto registry = Registry::open({dir + "/nodes.toml", keys_file, trust_first});
    EXPECT_TRUE(registry.ok()) << registry.error().message;
    return std::move(registry).value();
  }
  test::MadeChain chain;
};

TEST_F(Registries, KnowNobodyUnlessToldTo) {
  const Registry registry = open(false);
  const auto admission = registry.admit(chain.next());
  EXPECT_FALSE(admission.key);
  EXPECT_NE(admission.refusal.find("keys_file"), std::string::npos);
}

TEST_F(Registries, PinAFirstKeyAndKeepItOverARestart) {
  {
    Registry registry = open(true);
    const auto admission = registry.admit(chain.next());
    ASSERT_TRUE(admission.key);
    EXPECT_TRUE(admission.first);
    ASSERT_TRUE(registry.pin("web-1", *admission.key).ok());
  }
  Registry registry = open(false);
  EXPECT_EQ(registry.admit(chain.next()).key, chain.key.public_key());
  EXPECT_EQ(registry.find("web-1")->trust, Registry::Trust::first_use);
  EXPECT_FALSE(registry.pin("web-1", PrivateKey::generate().public_key()).ok());
}

TEST_F(Registries, NeverTakeTheKeyABatchClaimsOnceOneIsPinned) {
  Registry registry = open(true);
  ASSERT_TRUE(registry.pin("web-1", chain.key.public_key()).ok());
  test::MadeChain other;
  EXPECT_EQ(registry.admit(other.next()).key, chain.key.public_key());
}

TEST_F(Registries, RefuseOneKeyForTwoNodes) {
  Registry registry = open(true);
  ASSERT_TRUE(registry.pin("web-1", chain.key.public_key()).ok());
  chain.node = "web-2";
  const auto admission = registry.admit(chain.next());
  EXPECT_FALSE(admission.key);
  EXPECT_NE(admission.refusal.find("two agents with one key"), std::string::npos);
  EXPECT_FALSE(registry.pin("web-2", chain.key.public_key()).ok());
}

TEST_F(Registries, PreferTheKeysFileAndReadItAgain) {
  const std::string file = dir + "/keys.toml";
  ASSERT_TRUE(write_file_atomic(file, "web-1 = \"" + chain.key.public_key().to_hex() + "\"\n").ok());
  Registry registry = open(false, file);
  EXPECT_EQ(registry.find("web-1")->trust, Registry::Trust::keys_file);
  test::MadeChain second;
  ASSERT_TRUE(write_file_atomic(file, "web-2 = \"" + second.key.public_key().to_hex() + "\"\n").ok());
  ASSERT_TRUE(registry.reload().ok());
  EXPECT_FALSE(registry.find("web-1"));
  EXPECT_TRUE(registry.find("web-2"));
  ASSERT_TRUE(write_file_atomic(file, "web-3 = 5\n").ok());
  EXPECT_FALSE(registry.reload().ok());
  EXPECT_TRUE(registry.find("web-2"));
}

TEST_F(Registries, FailOnAFileThatCannotBeRead) {
  ASSERT_TRUE(write_file_atomic(dir + "/nodes.toml", "web-1 = \"12\"\n").ok());
  EXPECT_FALSE(Registry::open({dir + "/nodes.toml", "", true}).ok());
  EXPECT_FALSE(Registry::open({dir + "/none.toml", dir + "/missing.toml", true}).ok());
}

}  // namespace
}  // namespace shrike::collector
