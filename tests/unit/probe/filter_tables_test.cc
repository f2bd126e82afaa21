#include "agent/probe/filter_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "common/base/bytes.h"

namespace shrike::probe {
namespace {

using ::testing::HasSubstr;

FilterTables tables_of(const FilterSpec& spec, const FilterLimits& limits = {}) {
  auto tables = filter_tables(spec, limits);
  EXPECT_TRUE(tables.ok());
  return std::move(tables).value();
}
FilterSpec wanting(std::initializer_list<EventKind> kinds) {
  FilterSpec spec;
  for (const EventKind kind : kinds) spec.kinds.set(static_cast<size_t>(kind));
  return spec;
}
std::map<std::string, uint32_t> prefixes_of(const FilterTables& tables) {
  std::map<std::string, uint32_t> out;
  for (const auto& [key, access] : tables.prefixes) out[std::string(key.text, key.bits / 8)] = access;
  return out;
}

TEST(FilterTables, AnEmptyFilterHooksNothing) {
  const FilterTables tables = tables_of({});
  EXPECT_FALSE(tables.hooks_entry());
  EXPECT_FALSE(tables.hooks_exit());
  EXPECT_EQ(tables.filter.kinds[0] | tables.filter.kinds[1], 0u);
}

TEST(FilterTables, TheSeedReachesTheKernel) {
  EXPECT_EQ(tables_of({}, {.seed = 0x1234'5678'9abc'def0}).filter.seed, 0x1234'5678'9abc'def0u);
}

TEST(FilterTables, KindsBecomeBits) {
  FilterSpec spec = wanting({EventKind::fork, EventKind::setid, EventKind::toctou});
  spec.success_only.set(static_cast<size_t>(EventKind::setid));
  spec.success_only.set(static_cast<size_t>(EventKind::open));
  const FilterTables tables = tables_of(spec);
  EXPECT_EQ(tables.filter.kinds[0], 1ull << 1);
  EXPECT_EQ(tables.filter.kinds[1], 1ull << (80 - 64) | 1ull << (112 - 64));
  EXPECT_EQ(tables.filter.success_only[0], 0u) << "not wanted at all";
  EXPECT_EQ(tables.filter.success_only[1], 1ull << (80 - 64));
  EXPECT_TRUE(tables.wants(EventKind::setid));
  EXPECT_FALSE(tables.wants(EventKind::open));
}

TEST(FilterTables, OnlyCallsThatAWantedKindNeedsAreHooked) {
  const FilterTables tables = tables_of(wanting({EventKind::open}));
  EXPECT_EQ(tables.calls.exit64[257], SHRIKE_CALL_openat);
  EXPECT_EQ(tables.calls.exit32[295], SHRIKE_CALL_openat);
  EXPECT_EQ(tables.calls.exit64[82], 0) << "rename";
  EXPECT_EQ(tables.calls.exit64[39], 0) << "getpid";
  EXPECT_TRUE(tables.hooks_exit());
  EXPECT_FALSE(tables.hooks_entry()) << "arguments are kept only for the comparison";
  EXPECT_TRUE(tables_of(wanting({EventKind::open, EventKind::toctou})).hooks_entry());
}

TEST(FilterTables, APrefixHasTheMasksOfItsOwnPrefixes) {
  FilterSpec spec;
  spec.prefixes = {{"/etc", access_open_read},
                   {"/etc/ssh", access_open_write},
                   {"/etc/ssh/sshd", access_rename},
                   {"/etc/shadow", access_unlink},
                   {"/usr", access_mkdir}};
  const FilterTables tables = tables_of(spec);
  EXPECT_EQ(prefixes_of(tables),
            (std::map<std::string, uint32_t>{{"/etc", access_open_read},
                                             {"/etc/ssh", access_open_read | access_open_write},
                                             {"/etc/ssh/sshd", access_open_read | access_open_write | access_rename},
                                             {"/etc/shadow", access_open_read | access_unlink},
                                             {"/usr", access_mkdir}}));
  EXPECT_EQ(tables.filter.prefix_access,
            access_open_read | access_open_write | access_rename | access_unlink | access_mkdir);
  EXPECT_EQ(tables.filter.any_path, 0u);
}

TEST(FilterTables, ALongPrefixIsCutWhichLetsMoreThrough) {
  FilterSpec spec;
  const std::string common = "/" + std::string(SHRIKE_PREFIX_MAX - 1, 'x');
  spec.prefixes = {{common + "one", access_open_read}, {common + "two", access_open_write}};
  EXPECT_EQ(prefixes_of(tables_of(spec)),
            (std::map<std::string, uint32_t>{{common, access_open_read | access_open_write}}));
}

TEST(FilterTables, WhatTheKernelCannotCompareBecomesAnyPath) {
  FilterSpec spec;
  spec.prefixes = {{"", access_open_read}, {"/etc", access_unlink}};
  spec.names = {{std::string(SHRIKE_NAME_MAX + 1, 'n'), {.any = access_rename, .last = access_chmod}},
                {std::string(SHRIKE_NAME_MAX, 'n'), {.any = access_chown, .last = 0}}};
  const FilterTables tables = tables_of(spec);
  EXPECT_EQ(tables.filter.any_path, access_open_read | access_rename | access_chmod);
  EXPECT_EQ(tables.filter.name_access, access_chown);
  ASSERT_EQ(tables.names.size(), 1u);
  EXPECT_EQ(std::string(tables.names[0].first.text, SHRIKE_NAME_MAX), std::string(SHRIKE_NAME_MAX, 'n'));
  EXPECT_EQ(prefixes_of(tables), (std::map<std::string, uint32_t>{{"/etc", access_open_read | access_unlink}}));
}

TEST(FilterTables, MasksWithNothingInThemAreLeftOut) {
  FilterSpec spec;
  spec.prefixes = {{"/etc", 0}};
  spec.names = {{".ssh", {}}};
  const FilterTables tables = tables_of(spec);
  EXPECT_TRUE(tables.prefixes.empty());
  EXPECT_TRUE(tables.names.empty());
}

TEST(FilterTables, TheHashesKnowWhatTheMapsAreAskedFor) {
  FilterSpec spec;
  spec.prefixes = {{"/etc/shadow", access_open_read}, {"/etc/passwd", access_chmod}};
  spec.names = {{".ssh", {.any = access_open_read, .last = 0}}, {"authorized_keys", {.any = 0, .last = access_chown}}};
  const shrike_filter filter = tables_of(spec).filter;
  const auto prefix = [](const shrike_filter& in, const char(&text)[5]) {
    return in.prefix_hashes[shrike_prefix_hash(load_le<uint32_t>(text))];
  };
  const auto name = [&](const char* text, uint32_t length) {
    return filter.name_hashes[shrike_name_hash(load_le<uint64_t>(text), length)];
  };
  EXPECT_EQ(prefix(filter, "/etc"), access_open_read | access_chmod);
  EXPECT_EQ(prefix(filter, "/usr"), 0);
  EXPECT_EQ(name(".ssh\0\0\0\0", 4), access_open_read);
  EXPECT_EQ(name("authorized_keys", 15), access_chown);
  EXPECT_EQ(name("passwd\0\0", 6), 0);
  spec.prefixes["/e"] = access_rename;
  const shrike_filter shorter = tables_of(spec).filter;
  EXPECT_EQ(prefix(shorter, "/usr"), access_rename) << "shorter than what is hashed: under every value";
  EXPECT_EQ(prefix(shorter, "/etc"), access_open_read | access_chmod | access_rename);
}

TEST(FilterTables, ABurstIsOneSecondUnlessSaid) {
  EXPECT_EQ(tables_of({}, {.budget_per_s = 100}).filter.budget_burst, 100u);
  EXPECT_EQ(tables_of({}, {.budget_per_s = 100, .budget_burst = 7}).filter.budget_burst, 7u);
}

TEST(FilterTables, TooManyPrefixesAreAnError) {
  FilterSpec spec;
  for (size_t i = 0; i <= prefixes_max; ++i) spec.prefixes["/" + std::to_string(i)] = access_open_read;
  const auto tables = filter_tables(spec, {});
  ASSERT_FALSE(tables.ok());
  EXPECT_THAT(tables.error().message, HasSubstr("16385 path prefixes"));
}

TEST(FilterTables, NoTwoCallsShareANumber) {
  std::map<int, std::string> seen64;
  std::map<int, std::string> seen32;
  for (size_t call = 1; call < SHRIKE_CALL_END; ++call) {
    const shrike_call_info& info = shrike_call_infos[call];
    if (info.number64 >= 0) {
      EXPECT_LT(info.number64, SHRIKE_CALL_NUMBERS);
      EXPECT_TRUE(seen64.emplace(info.number64, info.name).second) << info.name << " and " << seen64[info.number64];
    }
    if (info.number32 >= 0) {
      EXPECT_LT(info.number32, SHRIKE_CALL_NUMBERS32);
      EXPECT_TRUE(seen32.emplace(info.number32, info.name).second) << info.name << " and " << seen32[info.number32];
    }
    EXPECT_LE(info.first, info.last) << info.name;
  }
  EXPECT_LE(static_cast<int>(SHRIKE_CALL_END), 256);
}

}  // namespace
}  // namespace shrike::probe
