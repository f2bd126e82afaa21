#include "common/wire/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/bytes.h"
#include "common/wire/protobuf.h"

namespace shrike {
namespace {
using testing::HasSubstr;

constexpr uint64_t second_ns = 1'000'000'000;

std::string body_of(size_t size) {
  std::string body(size, '\0');
  for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 7 + i / 251);
  return body;
}

CommandHeader header_for(std::string_view body) {
  CommandHeader header;
  header.node = "web-1";
  header.id = "job-1";
  header.issued_ns = 1000 * second_ns;
  header.expires_ns = 1600 * second_ns;
  header.collector = "collector";
  describe_body(header, body);
  return header;
}

std::string_view part_of(std::string_view body, size_t index) {
  return body.substr(index * command_part_bytes, command_part_bytes);
}

class Commands : public testing::Test {
 protected:
  const PrivateKey key = PrivateKey::generate();
  const std::string body = body_of(2 * command_part_bytes + 77);
  const CommandHeader header = header_for(body);
  const std::string sealed = seal_command(header, key);

  std::string error_of(std::string_view bytes) const {
    const auto opened = open_command(bytes, key.public_key());
    return opened ? "it was taken" : opened.error().message;
  }
};

TEST_F(Commands, AnOfferAndEachPartOpenToWhatWasSealed) {
  const auto offer = open_command(command_offer(sealed), key.public_key());
  ASSERT_TRUE(offer) << offer.error().message;
  EXPECT_EQ(offer->header, header);
  EXPECT_FALSE(offer->part);
  ASSERT_EQ(header.parts.size(), 3u);
  std::string whole;
  for (uint32_t i = 0; i < 3; ++i) {
    const std::string message = command_message(sealed, i, part_of(body, i));
    EXPECT_LE(message.size(), command_message_max_bytes);
    const auto opened = open_command(message, key.public_key());
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened->digest, offer->digest);
    ASSERT_TRUE(opened->part);
    EXPECT_EQ(opened->part->index, i);
    whole += opened->part->bytes;
  }
  EXPECT_EQ(whole, body);
}

TEST_F(Commands, ACommandWithoutABodyHasNoParts) {
  const CommandHeader empty = header_for("");
  const auto opened = open_command(seal_command(empty, key), key.public_key());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->header.parts.empty());
  EXPECT_THAT(error_of(command_message(seal_command(empty, key), 0, "x")), HasSubstr("not one of its 0"));
}

TEST_F(Commands, TheLargestBodyFitsItsHeaderAndOneByteMoreDoesNot) {
  CommandHeader large = header;
  large.body_bytes = command_body_max_bytes;
  large.parts.assign(command_body_max_bytes / command_part_bytes, Digest{});
  const auto opened = open_command(seal_command(large, key), key.public_key());
  ASSERT_TRUE(opened) << opened.error().message;
  large.body_bytes += 1;
  large.parts.emplace_back();
  EXPECT_THAT(error_of(seal_command(large, key)), HasSubstr("over 64 MiB"));
}

TEST_F(Commands, AnotherKeysSignatureIsRefused) {
  EXPECT_THAT(error_of(seal_command(header, PrivateKey::generate())), HasSubstr("does not fit the collector's key"));
}

TEST_F(Commands, ASignatureFromAnotherDomainIsRefused) {
  // The same bytes signed as an acknowledgement's: one signed thing must not pass for another.
  std::string_view rest = sealed;
  const std::string inner(*proto::take_bytes(rest, 1));
  const Signature signature = key.sign(std::string("shrike ack v1\0", 14) + inner);
  std::string forged(inner.size() + 200, '\0');
  char* at = proto::put_bytes(forged.data(), 1, inner);
  at = proto::put_bytes(at, 2, {reinterpret_cast<const char*>(signature.data()), signature.size()});
  forged.resize(static_cast<size_t>(at - forged.data()));
  EXPECT_THAT(error_of(forged), HasSubstr("does not fit the collector's key"));
}

TEST_F(Commands, NoByteOfAMessageCanBeChanged) {
  const CommandHeader small = header_for("a body");
  const std::string message = command_message(seal_command(small, key), 0, "a body");
  for (size_t i = 0; i < message.size(); ++i) {
    std::string changed = message;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(open_command(changed, key.public_key())) << "byte " << i;
  }
}

TEST_F(Commands, NoCutMessageIsTakenButTheOfferAtItsHead) {
  const CommandHeader small = header_for("a body");
  const std::string offer = seal_command(small, key);
  const std::string message = command_message(offer, 0, "a body");
  for (size_t size = 0; size < message.size(); ++size) {
    const auto opened = open_command(std::string_view(message).substr(0, size), key.public_key());
    EXPECT_EQ(opened.ok(), size == offer.size()) << size;
  }
  EXPECT_THAT(error_of(message + "x"), HasSubstr("followed by more bytes"));
}

TEST_F(Commands, SwappedPartsAreRefused) {
  EXPECT_THAT(error_of(command_message(sealed, 0, part_of(body, 1))), HasSubstr("not the one that was signed"));
  EXPECT_THAT(error_of(command_message(sealed, 1, part_of(body, 2))), HasSubstr("77 bytes instead of"));
}

TEST_F(Commands, ThePartOfAnotherCommandIsRefused) {
  std::string other = body;
  other[3] ^= 1;
  EXPECT_THAT(error_of(command_message(sealed, 0, part_of(other, 0))), HasSubstr("not the one that was signed"));
}

TEST_F(Commands, FieldsOutOfBoundsAreNamed) {
  const auto error_with = [&](auto change) {
    CommandHeader changed = header;
    change(changed);
    return error_of(seal_command(changed, key));
  };
  EXPECT_THAT(error_with([](CommandHeader& h) { h.node = "../etc"; }), HasSubstr("node id"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.id = ""; }), HasSubstr("allowed are 1 to 64"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.id = "a/b"; }), HasSubstr("character 2"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.id = ".."; }), HasSubstr("begin with a dot"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.expires_ns = h.issued_ns; }), HasSubstr("expires before"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.expires_ns = h.issued_ns + command_life_max_ns + 1; }),
              HasSubstr("more than 7 days"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.parts.pop_back(); }), HasSubstr("parts do not fit"));
  EXPECT_THAT(error_with([](CommandHeader& h) { h.kind = static_cast<CommandKind>(9); }), HasSubstr("kind 9"));
}

TEST(CommandKinds, HaveNames) {
  for (const CommandKind kind : {CommandKind::detonate, CommandKind::profile})
    EXPECT_EQ(command_kind_named(command_kind_name(kind)), kind);
  EXPECT_FALSE(command_kind_named("reboot"));
}

}  // namespace
}  // namespace shrike
