// Programs whose headers lie: each is its own job's error, said in words, or the program's own end.

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>

#include "common/base/file.h"
#include "tests/kernel/vm_rig.h"

namespace shrike::sandbox::test {
namespace {

using VmElf = InMachine;

struct Program {
  std::string bytes;
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> parts;

  explicit Program(std::string whole) : bytes(std::move(whole)) {
    std::memcpy(&header, bytes.data(), sizeof header);
    parts.resize(header.e_phnum);
    std::memcpy(parts.data(), bytes.data() + parts_at(), parts.size() * sizeof(Elf64_Phdr));
  }
  Elf64_Phdr& first(uint32_t type) {
    const auto found = std::ranges::find(parts, type, &Elf64_Phdr::p_type);
    EXPECT_NE(found, parts.end());
    return *found;
  }
  char* interpreter() { return &bytes[first(PT_INTERP).p_offset]; }
  /// With the headers as they are by now, where they were.
  std::string changed(uint64_t where) {
    put(0, &header, sizeof header);
    put(where, parts.data(), parts.size() * sizeof(Elf64_Phdr));
    return bytes;
  }
  [[nodiscard]] uint64_t parts_at() const { return header.e_phoff; }

 private:
  void put(size_t at, const void* from, size_t size) {
    if (at < bytes.size()) std::memcpy(bytes.data() + at, from, std::min(size, bytes.size() - at));
  }
};

struct Broken {
  const char* name;
  std::function<void(Program&)> change;
  bool begins = false;  ///< what is wrong shows only when it runs
};

const Broken broken[] = {
    {"no magic", [](Program& p) { p.header.e_ident[0] = 'X'; }},
    {"32 bits", [](Program& p) { p.header.e_ident[EI_CLASS] = ELFCLASS32; }},
    {"big endian", [](Program& p) { p.header.e_ident[EI_DATA] = ELFDATA2MSB; }},
    {"another machine", [](Program& p) { p.header.e_machine = EM_AARCH64; }},
    {"an object file", [](Program& p) { p.header.e_type = ET_REL; }},
    {"headers behind the end", [](Program& p) { p.header.e_phoff = 1u << 30; }},
    {"headers beyond all addresses", [](Program& p) { p.header.e_phoff = ~uint64_t{0} - 8; }},
    {"headers of another size", [](Program& p) { p.header.e_phentsize = 8; }},
    {"65535 headers", [](Program& p) { p.header.e_phnum = 0xffff; }},
    {"no headers", [](Program& p) { p.header.e_phnum = 0; }},
    {"more in the file than in memory", [](Program& p) { p.first(PT_LOAD).p_filesz += 1ull << 40; }},
    {"a segment in the kernel's half", [](Program& p) { p.first(PT_LOAD).p_vaddr = 0xffff'8000'0000'1000; }},
    {"a segment over the machine's pages", [](Program& p) { p.first(PT_LOAD).p_vaddr = 0xffff'8000'0000'5000; }},
    {"a segment that wraps around", [](Program& p) { p.first(PT_LOAD).p_memsz = ~uint64_t{0} - 0x1000; }},
    {"a segment as large as all addresses", [](Program& p) { p.first(PT_LOAD).p_memsz = 1ull << 62; }},
    {"a segment not of its page", [](Program& p) { p.first(PT_LOAD).p_vaddr += 0x123; }},
    {"an interpreter that is not there", [](Program& p) { std::memcpy(p.interpreter(), "/lib99", 6); }},
    {"an interpreter without an end",
     [](Program& p) { std::memset(p.interpreter(), 'a', p.first(PT_INTERP).p_filesz); }},
    {"an interpreter of 1 GiB", [](Program& p) { p.first(PT_INTERP).p_filesz = 1u << 30; }},
    {"an interpreter that is a folder", [](Program& p) { std::memcpy(p.interpreter(), "/usr", 5); }},
    {"cut behind its header", [](Program& p) { p.bytes.resize(sizeof(Elf64_Ehdr)); }},
    {"an entry where nothing is", [](Program& p) { p.header.e_entry = 0x7fff'0000'0000; }, true},
    {"a file without most of its code", [](Program& p) { p.bytes.resize(0x1800); }, true},
};

std::string with(const Broken& each, const std::string& whole) {
  Program program(whole);
  const uint64_t where = program.parts_at();
  each.change(program);
  return program.changed(where);
}

TEST_F(VmElf, AsAJobsProgramEachIsRefusedInWordsOrEndsByItself) {
  const std::string whole = *read_file(own_program("open_file"), 16u << 20);
  for (const Broken& each : broken) {
    const std::string path = ::testing::TempDir() + "/vm_elf_" + std::to_string(::getpid());
    std::ofstream(path, std::ios::binary) << with(each, whole);
    const Ran ran = run_here(ask(path));
    ::unlink(path.c_str());
    EXPECT_NE(ran.report.status, Status::ok) << each.name;
    if (!each.begins) {
      EXPECT_EQ(ran.report.status, Status::setup_error) << each.name;
      EXPECT_NE(ran.report.cause, "") << each.name;
    }
  }
}

// From within: an error of execve, and the program goes on.
TEST_F(VmElf, AsAProgramsProgramEachIsAnErrorOfExecve) {
  const std::string whole = *read_file(own_program("open_file"), 16u << 20);
  Asked asked =
      ask("/bin/busybox", {"sh", "-c", "for each in /tmp/broken/*; do $each 2>/dev/null; done; echo still here"});
  size_t number = 0, refused = 0;
  for (const Broken& each : broken) {
    asked.files["/tmp/broken/" + std::to_string(number++)] = with(each, whole);
    refused += each.begins ? 0 : 1;
  }
  const Ran ran = run_here(std::move(asked));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_TRUE(ran.out.ends_with("still here\n")) << ran.out;
  const auto failed = std::ranges::count_if(
      ran.calls, [](const Call& call) { return call.kind == CallKind::call && call.number == 59 && call.result < 0; });
  EXPECT_GE(static_cast<size_t>(failed), refused);
}

}  // namespace
}  // namespace shrike::sandbox::test
