#include "sandbox/microvm/kernel/elf.h"

#include <elf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/kernel/region.h"
#include "sandbox/microvm/machine/page_table.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t headers_most = 128;
constexpr size_t interpreter_most = 4096;

Error broken(const char* what) { return {std::string("not a program we can run: ") + what, ENOEXEC}; }

Result<Elf64_Ehdr> read_header(const ReadAt& read_at) {
  Elf64_Ehdr header{};
  if (read_at(0, std::as_writable_bytes(std::span(&header, 1))) != sizeof header) return broken("too short for ELF");
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return broken("no ELF");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
    return broken("ELF for another machine than x86-64");
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return broken("ELF, but no executable");
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return broken("program headers of a wrong size");
  if (header.e_phnum == 0 || header.e_phnum > headers_most) return broken("no or too many program headers");
  return header;
}

Result<std::vector<Elf64_Phdr>> read_headers(const ReadAt& read_at, const Elf64_Ehdr& header, uint64_t file_bytes) {
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  const uint64_t size = headers.size() * sizeof(Elf64_Phdr);
  if (header.e_phoff > file_bytes || size > file_bytes - header.e_phoff ||
      read_at(header.e_phoff, std::as_writable_bytes(std::span(headers))) != size)
    return broken("program headers outside the file");
  return headers;
}

Result<ElfSegment> segment_of(const Elf64_Phdr& header, uint64_t file_bytes, uint64_t floor) {
  if (header.p_filesz > header.p_memsz) return broken("a segment larger in the file than in memory");
  if (header.p_offset > file_bytes || header.p_filesz > file_bytes - header.p_offset)
    return broken("a segment outside the file");
  if (header.p_vaddr % page_bytes != header.p_offset % page_bytes)
    return broken("a segment at another place in its page than in the file");
  if (header.p_memsz > user_highest || header.p_vaddr > user_highest - header.p_memsz)
    return broken("a segment outside the address space");
  if (header.p_vaddr < floor) return broken("segments out of order or over each other");
  return ElfSegment{.address = header.p_vaddr,
                    .offset = header.p_offset,
                    .file_bytes = header.p_filesz,
                    .memory_bytes = header.p_memsz,
                    .read = (header.p_flags & PF_R) != 0,
                    .write = (header.p_flags & PF_W) != 0,
                    .execute = (header.p_flags & PF_X) != 0};
}

Result<std::string> interpreter_of(const Elf64_Phdr& header, const ReadAt& read_at, uint64_t file_bytes) {
  if (header.p_filesz < 2 || header.p_filesz > interpreter_most || header.p_offset > file_bytes ||
      header.p_filesz > file_bytes - header.p_offset)
    return broken("an interpreter's name that is outside the file or too long");
  std::string name(header.p_filesz, '\0');
  if (read_at(header.p_offset, std::as_writable_bytes(std::span(name))) != name.size() || name.back() != '\0')
    return broken("an interpreter's name without an end");
  name.resize(std::strlen(name.c_str()));
  if (name.empty()) return broken("an empty interpreter's name");
  return name;
}

Result<void> add_segment(const Elf64_Phdr& header, const Elf64_Ehdr& elf, uint64_t file_bytes, ElfImage& image) {
  if (header.p_memsz == 0) return {};
  const uint64_t floor =
      image.segments.empty() ? 0 : image.segments.back().address + image.segments.back().memory_bytes;
  const auto segment = TRY(segment_of(header, file_bytes, floor));
  if (elf.e_phoff >= segment.offset && elf.e_phoff - segment.offset < segment.file_bytes)
    image.headers = segment.address + (elf.e_phoff - segment.offset);
  if (image.segments.empty()) image.begin = page_down(segment.address);
  image.end = page_up(segment.address + segment.memory_bytes);
  image.segments.push_back(segment);
  return {};
}
}  // namespace

Result<ElfImage> parse_elf(const ReadAt& read_at, uint64_t file_bytes) {
  const auto elf = TRY(read_header(read_at));
  const auto headers = TRY(read_headers(read_at, elf, file_bytes));
  ElfImage image;
  image.movable = elf.e_type == ET_DYN;
  image.entry = elf.e_entry;
  image.header_count = elf.e_phnum;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_LOAD) TRY_VOID(add_segment(header, elf, file_bytes, image));
    if (header.p_type == PT_GNU_STACK) image.executable_stack = (header.p_flags & PF_X) != 0;
    if (header.p_type == PT_INTERP && image.interpreter.empty())
      image.interpreter = TRY(interpreter_of(header, read_at, file_bytes));
  }
  if (image.segments.empty()) return broken("nothing to load");
  if (!image.movable && image.begin < user_lowest) return broken("a segment below the lowest address");
  if (image.entry > user_highest) return broken("an entry outside the address space");
  return image;
}

}  // namespace shrike::sandbox::microvm
