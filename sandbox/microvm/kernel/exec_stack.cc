#include "sandbox/microvm/kernel/exec_stack.h"

#include <elf.h>

#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
Error failed(std::string what, int code) { return {std::move(what), code}; }

// Puts argv, envp and the auxiliary vector on the stack, as the System V ABI says.
class StackBuilder {
 public:
  StackBuilder(AddressSpace& space, uint64_t top) : memory_(space), top_(top) {}

  uint64_t push(std::span<const std::byte> bytes) {
    top_ -= bytes.size();
    ok_ = ok_ && memory_.write(top_, bytes);
    return top_;
  }
  uint64_t push(const std::string& text) { return push(std::as_bytes(std::span(text.c_str(), text.size() + 1))); }
  void align() { top_ &= ~uint64_t{15}; }
  uint64_t push(const std::vector<uint64_t>& words) {
    top_ = (top_ - words.size() * sizeof(uint64_t)) & ~uint64_t{15};
    ok_ = ok_ && memory_.write(top_, std::as_bytes(std::span(words)));
    return top_;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  UserMemory memory_;
  uint64_t top_;
  bool ok_ = true;
};

std::vector<uint64_t> auxiliary(const Credentials& who, const ElfImage& image, uint64_t bias, uint64_t base) {
  return {AT_PHDR,        image.headers == 0 ? 0 : image.headers + bias,
          AT_PHENT,       sizeof(Elf64_Phdr),
          AT_PHNUM,       image.header_count,
          AT_PAGESZ,      page_bytes,
          AT_BASE,        base,
          AT_FLAGS,       0,
          AT_ENTRY,       image.entry + bias,
          AT_UID,         who.uid,
          AT_EUID,        who.euid,
          AT_GID,         who.gid,
          AT_EGID,        who.egid,
          AT_SECURE,      0,
          AT_HWCAP,       0x178bfbff,
          AT_HWCAP2,      0,
          AT_CLKTCK,      100,
          AT_MINSIGSTKSZ, 3632};
}
}  // namespace

Result<Registers> build_stack(AddressSpace& space, const Start& start, Random& random) {
  const uint64_t top = space.layout().stack_top;
  const uint64_t size = 34 * page_bytes;
  const Region stack{.begin = top - size,
                     .access = {true, true, start.image.executable_stack},
                     .grows_down = true,
                     .role = Role::stack};
  if (space.map(stack, size, true) < 0) return failed(start.path + ": no room for its stack", ENOMEM);
  StackBuilder builder(space, top - sizeof(uint64_t));
  const uint64_t name = builder.push(start.path);
  const auto strings = [&](const std::vector<std::string>& list) {
    std::vector<uint64_t> at(list.size());
    for (size_t i = list.size(); i-- > 0;) at[i] = builder.push(list[i]);
    return at;
  };
  const auto environment_at = strings(start.environment);
  const auto argv_at = strings(start.argv);
  builder.align();
  const uint64_t platform = builder.push(std::string("x86_64"));
  std::array<std::byte, 16> chance{};
  random.fill(chance);
  builder.align();
  const uint64_t random_at = builder.push(chance);

  std::vector<uint64_t> words{start.argv.size()};
  words.insert(words.end(), argv_at.begin(), argv_at.end());
  words.push_back(0);
  words.insert(words.end(), environment_at.begin(), environment_at.end());
  words.push_back(0);
  const auto vector = auxiliary(start.who, start.image, start.bias, start.base);
  words.insert(words.end(), vector.begin(), vector.end());
  for (const uint64_t word : {uint64_t{AT_EXECFN}, name, uint64_t{AT_PLATFORM}, platform, uint64_t{AT_RANDOM},
                              random_at, uint64_t{AT_NULL}, uint64_t{0}})
    words.push_back(word);
  Registers registers;
  registers.rsp = builder.push(words);
  registers.rip = start.entry;
  if (!builder.ok()) return failed(start.path + ": no memory for its arguments", ENOMEM);
  return registers;
}

}  // namespace shrike::sandbox::microvm
