// scoring/rules/fields.md is the field table in words. SHRIKE_RENEW=1 writes it anew.
#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "common/base/file.h"
#include "scoring/rules/field.h"
#include "scoring/rules/names.h"
#include "tests/unit/rules/scene.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

std::string kinds_text(const Field& field) {
  if (field.kinds.empty()) return "none";
  std::string out;
  size_t has = 0, all = 0;
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<K>(k);
    if (kind_name(kind) == "none") continue;
    ++all;
    if (!field.kinds.has(kind)) continue;
    ++has;
    out += (out.empty() ? "" : " ") + std::string(kind_name(kind));
  }
  return has == all ? "all" : out;
}

std::string_view type_text(Type type) {
  switch (type) {
    case Type::text:
      return "text";
    case Type::number:
      return "number";
    case Type::boolean:
      return "boolean";
    case Type::address:
      return "address";
  }
  return "";
}

std::string document() {
  std::string out =
      "# Fields of rules\n\n"
      "Made from the table in `field_table.cc` by `SHRIKE_RENEW=1 unit_rules --gtest_filter=FieldTable.*`. Names and "
      "meanings are\n"
      "Falco's unless the text says *ours*. A field is missing for every kind of event not listed, and every check of "
      "a missing\n"
      "field is false, also `!=`.\n\n"
      "| field | type | kinds | meaning |\n|---|---|---|---|\n";
  for (const Field& field : all_fields()) {
    std::string name(field.name);
    if (field.takes == Field::Takes::index) name += "[n]";
    if (field.takes == Field::Takes::maybe_index) name += "[n]?";
    if (field.takes == Field::Takes::name) name += ".NAME";
    if (field.takes == Field::Takes::text) name += "[text]";
    if (field.takes == Field::Takes::maybe_text) name += "[text]?";
    out += "| `" + name + "` | " + std::string(type_text(field.type)) + " | " + kinds_text(field) + " | " +
           std::string(field.about) + " |\n";
  }
  out +=
      "\n## Arguments: `evt.arg.NAME`, and as a number `evt.rawarg.NAME`\n\n| kind | arguments (number first; other "
      "names in parentheses) |\n|---|---|\n";
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<K>(k);
    const auto arguments = arguments_of(kind);
    if (arguments.empty()) continue;
    out += "| " + std::string(kind_name(kind)) + " |";
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string name(arguments[i].name);
      out += arguments[i].alias ? " (" + name + ")" : " " + std::to_string(i) + " " + name;
    }
    out += " |\n";
  }
  out +=
      "\n## Types: `evt.type` of each kind\n\n| kind | system calls (the first is also used where there is no number) "
      "|\n|---|---|\n";
  for (size_t k = 1; k < event_kind_count; ++k) {
    const auto kind = static_cast<K>(k);
    if (kind_name(kind) == "none" || kind == K::toctou) continue;
    out += "| " + std::string(kind_name(kind)) + " |";
    for (const std::string_view name : event_types_of(kind)) out += " " + std::string(name);
    out += " |\n";
  }
  return out + "| toctou | every call above that takes a path or an address |\n";
}

TEST(FieldTable, IsDocumentedInFull) {
  const std::string path = std::string(SHRIKE_SOURCE_DIR) + "/scoring/rules/fields.md";
  const char* renew = std::getenv("SHRIKE_RENEW");
  if (renew != nullptr && *renew == '1') {
    ASSERT_TRUE(write_file_atomic(path, document()).ok());
  }
  EXPECT_EQ(read_file(path).value(), document()) << "run with SHRIKE_RENEW=1";
}

TEST(FieldTable, NamesAreUniqueAndReadersThereForEveryKind) {
  std::set<std::string_view> names;
  for (const Field& field : all_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.about.empty()) << field.name;
    const bool by_kind = field.kinds.empty() || field.takes == Field::Takes::name;
    EXPECT_EQ(field.extract == nullptr, by_kind || field.extract_named != nullptr) << field.name;
    if (field.extract_named != nullptr) {
      EXPECT_EQ(field.takes, Field::Takes::text) << field.name;
    }
  }
}

TEST(FieldTable, EveryFieldCanBeReadFromEveryKind) {
  for (const Field& field : all_fields()) {
    for (size_t k = 0; k < event_kind_count; ++k) {
      Scene s(static_cast<K>(k));
      s.opens("/a/b", 0).path2("/c");
      std::string error;
      bool unknown = false;
      const auto argument = field.takes == Field::Takes::index || field.takes == Field::Takes::text
                                ? std::optional<std::string_view>("1")
                            : field.takes == Field::Takes::name ? std::optional<std::string_view>("0")
                                                                : std::nullopt;
      const auto use = find_field(field.name, argument, error, unknown);
      ASSERT_TRUE(use) << error;
      const auto reader = reader_for(*use, s.event.kind);
      if (!reader) continue;
      Arena arena;
      const std::string hostname;
      std::vector<Value> values;
      Values out(values);
      for (const Process* process : {s.event.process, static_cast<const Process*>(nullptr)})
        reader->read({s.event, process, arena, 1, hostname}, out);
      for (const Value& value : values) {
        EXPECT_TRUE(field.type == Type::text || field.type == Type::address || value.text.empty()) << field.name;
      }
    }
  }
}

// asm/unistd_64.h and our table are two lists of the same numbers.
TEST(Names, SystemCallNumbersAreTheKernels) {
  const std::vector<std::pair<int, std::string_view>> numbers{{__NR_execve, "execve"},
                                                              {__NR_execveat, "execveat"},
                                                              {__NR_openat, "openat"},
                                                              {__NR_connect, "connect"},
                                                              {__NR_setns, "setns"},
                                                              {__NR_ptrace, "ptrace"},
                                                              {__NR_bpf, "bpf"},
                                                              {__NR_finit_module, "finit_module"},
                                                              {__NR_memfd_create, "memfd_create"},
                                                              {__NR_process_vm_writev, "process_vm_writev"},
                                                              {__NR_unlinkat, "unlinkat"},
                                                              {__NR_renameat2, "renameat2"},
                                                              {__NR_fchmodat, "fchmodat"},
                                                              {__NR_io_uring_setup, "io_uring_setup"},
                                                              {__NR_userfaultfd, "userfaultfd"},
                                                              {__NR_setresuid, "setresuid"},
                                                              {__NR_sendmmsg, "sendmmsg"},
                                                              {__NR_symlinkat, "symlinkat"}};
  for (const auto& [number, name] : numbers) {
    bool found = false;
    for (size_t k = 1; k < event_kind_count; ++k) {
      Event event;
      event.kind = static_cast<K>(k);
      event.syscall = number;
      found = found || event_type(event) == name;
    }
    EXPECT_TRUE(found) << name;
  }
}

TEST(Names, ANumberThatDoesNotFitItsKindGivesTheUsualName) {
  Event event;
  event.kind = K::connect;
  event.syscall = __NR_openat;
  EXPECT_EQ(event_type(event), "connect");
  event.syscall = 100000;
  EXPECT_EQ(event_type(event), "connect");
  event.syscall = -7;
  EXPECT_EQ(event_type(event), "connect");
}

}  // namespace
}  // namespace shrike::scoring
