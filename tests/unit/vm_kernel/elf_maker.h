#pragma once
// Small ELF files for tests: one segment of code, one of data.

#include <elf.h>

#include <cstring>
#include <string>

namespace shrike::sandbox::microvm::testing {

struct ElfWish {
  uint64_t code = 0x400000;
  uint64_t data = 0x500000;  ///< 64 KiB, writable, not in the file
  std::string interpreter = {};
  uint16_t type = ET_EXEC;
};

inline std::string make_elf(const ElfWish& wish = {}) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = wish.type;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = wish.code + 0x400;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = wish.interpreter.empty() ? 2 : 3;
  Elf64_Phdr code{}, data{}, interpreter{};
  code.p_type = PT_LOAD;
  code.p_flags = PF_R | PF_X;
  code.p_vaddr = wish.code;
  code.p_filesz = code.p_memsz = 0x2000;
  data.p_type = PT_LOAD;
  data.p_flags = PF_R | PF_W;
  data.p_vaddr = wish.data;
  data.p_memsz = 0x10000;
  interpreter.p_type = PT_INTERP;
  interpreter.p_offset = 0x1000;
  interpreter.p_filesz = wish.interpreter.size() + 1;
  std::string file(0x2000, '\0');
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, &code, sizeof code);
  std::memcpy(file.data() + sizeof header + sizeof code, &data, sizeof data);
  if (!wish.interpreter.empty()) {
    std::memcpy(file.data() + sizeof header + 2 * sizeof code, &interpreter, sizeof interpreter);
    std::memcpy(file.data() + 0x1000, wish.interpreter.c_str(), wish.interpreter.size());
  }
  return file;
}

}  // namespace shrike::sandbox::microvm::testing
