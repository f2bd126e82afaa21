#include "collector/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/keys_file.h"

namespace shrike::collector {
namespace {

std::string error_of(const std::string& text) {
  const auto config = parse_config(text, "c.toml");
  return config.ok() ? "none" : config.error().message;
}

TEST(Config, ReadsEveryKey) {
  const auto config = parse_config(
      "state_dir = \"/s\"\nname = \"c1\"\n[nats]\nurl = \"tls://h:4222\"\nnkey_seed_file = \"/n\"\nca_file = \"/ca\"\n"
      "stream_max_bytes = 5\n[nodes]\ntrust_first = true\nkeys_file = \"/k\"\n[api]\nlisten = \"[::1]:80\"\n"
      "token_file = \"/t\"\n[store]\nsegment_bytes = 1048576\nmin_free_bytes = 2097152\n[log]\nlevel = \"debug\"\n",
      "c.toml");
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->state_dir, "/s");
  EXPECT_EQ(config->nats.ca_file, "/ca");
  EXPECT_TRUE(config->nodes.trust_first);
  EXPECT_EQ(config->api_host(), "::1");
  EXPECT_EQ(config->api_port(), 80);
  EXPECT_EQ(config->token_path(), "/t");
  EXPECT_EQ(config->store.min_free_bytes, 2u << 20);
}

TEST(Config, DefaultsAreRight) {
  const auto config = parse_config("", "c.toml");
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->nodes.trust_first);
  EXPECT_EQ(config->token_path(), "/var/lib/shrike-collector/token");
  EXPECT_TRUE(check_config(*config).ok());
}

TEST(Config, NamesLineAndColumnOfWhatIsWrong) {
  EXPECT_EQ(error_of("colour = 1\n"), "c.toml:1:1: colour: no such setting");
  EXPECT_EQ(error_of("[nats]\n\n  uri = \"x\"\n"), "c.toml:3:3: nats.uri: no such setting");
  EXPECT_EQ(error_of("[nodes]\ntrust_first = \"yes\"\n"), "c.toml:2:1: nodes.trust_first: must be true or false");
  EXPECT_EQ(error_of("[store]\nsegment_bytes = -1\n"),
            "c.toml:2:1: store.segment_bytes: must be a whole number, 0 or more");
  EXPECT_EQ(error_of("[store]\nsegment_bytes = 5\n"),
            "c.toml:2:1: store.segment_bytes: must be from 1048576 (1 MiB) to 1073741824 (1 GiB)");
  EXPECT_EQ(error_of("[api]\nlisten = \"0.0.0.0:9477\"\n"), "c.toml:2:1: api.listen: must be a loopback address");
  EXPECT_EQ(error_of("[api]\nlisten = \"127.0.0.1\"\n"),
            "c.toml:2:1: api.listen: must be an address and a port, like \"127.0.0.1:9477\"");
  EXPECT_EQ(error_of("state_dir = \"var\"\n"), "c.toml:1:1: state_dir: must be an absolute path");
  EXPECT_EQ(error_of("nats = 5\n"), "c.toml:1:1: nats: must be a table: [nats]");
  EXPECT_THAT(error_of("# \u00e9\n \u00e9 = 1\n"), testing::StartsWith("c.toml:2:2: "));
  EXPECT_EQ(error_of("name = \"\u00e9\"\n"), "c.toml:1:1: name: may have letters, digits, '-', '_' and '.' only");
  EXPECT_TRUE(error_of("[ = 1\n").starts_with("c.toml:1:3: "));
  EXPECT_TRUE(error_of("a = [\n").starts_with("c.toml:")) << error_of("a = [\n");
  EXPECT_EQ(load_config("/nonexistent.toml").error().code, ENOENT);
}

TEST(Keys, AreReadAndWrittenBack) {
  const PublicKey one = PrivateKey::generate().public_key();
  const PublicKey two = PrivateKey::generate().public_key();
  const NodeKeys keys{{"web-1", one}, {"1", two}};
  const auto back = parse_keys(keys_to_toml(keys), "k.toml");
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(*back, keys);
}

TEST(Keys, NameTheLineOfWhatIsWrong) {
  const std::string hex = PrivateKey::generate().public_key().to_hex();
  EXPECT_TRUE(parse_keys("a = \"12\"\n", "k").error().message.starts_with("k:1:1: a: a public key:"));
  EXPECT_TRUE(parse_keys("a = \"" + hex + "\"\nb = \"" + hex + "\"\n", "k")
                  .error()
                  .message.starts_with("k:2:1: b: the same key as a"));
  EXPECT_TRUE(parse_keys("\"A B\" = \"" + hex + "\"\n", "k").error().message.starts_with("k:1:1: A B: "));
}

}  // namespace
}  // namespace shrike::collector
