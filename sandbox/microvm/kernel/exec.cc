// A program from file to its first instruction: scripts, segments, interpreter, stack.

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sandbox/microvm/kernel/exec_stack.h"
#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr int interpreters_most = 5;
constexpr size_t script_line_most = 256;
constexpr uint64_t populated_most = 1u << 20;
constexpr size_t strings_most = 2u << 20, string_most = 128u << 10;

Error failed(std::string what, int code) { return {std::move(what), code}; }

struct Opened {
  std::shared_ptr<Node> node;
  std::string path;
  uint64_t size = 0;
  std::string head;
};

Result<Opened> open_program(FileSystem& files, const Place& place, const std::string& path) {
  Found found;
  if (const int64_t error = files.resolve(place, nullptr, path, true, found); error < 0)
    return failed(path + ": cannot be found", static_cast<int>(-error));
  if (!found.node) return failed(path + ": no such file", ENOENT);
  struct ::stat status {};
  files.status(*found.node, status);
  if (!S_ISREG(status.st_mode)) return failed(path + ": not a regular file", EACCES);
  if ((status.st_mode & 0111) == 0) return failed(path + ": not executable", EACCES);
  Opened opened{found.node, files.path_of(*found.node), static_cast<uint64_t>(status.st_size),
                std::string(script_line_most, '\0')};
  const int64_t got = files.read(*found.node, 0, std::as_writable_bytes(std::span(opened.head)));
  if (got < 0) return failed(path + ": cannot be read", static_cast<int>(-got));
  opened.head.resize(static_cast<size_t>(got));
  return opened;
}

// "#!interpreter argument": what stands before the script's path in argv. Nothing where it names no interpreter.
std::vector<std::string> script_words(const std::string& head) {
  std::string line = head.substr(2, head.find('\n') - 2);
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!line.empty() && (blank(line.back()) || line.back() == '\0')) line.pop_back();
  size_t begin = 0;
  while (begin < line.size() && blank(line[begin])) ++begin;
  size_t end = begin;
  while (end < line.size() && !blank(line[end]) && line[end] != '\0') ++end;
  if (begin == end) return {};
  std::vector<std::string> words{line.substr(begin, end - begin)};
  while (end < line.size() && blank(line[end])) ++end;
  if (end < line.size()) words.push_back(line.substr(end));
  return words;
}

Result<ElfImage> read_elf(FileSystem& files, const Opened& program) {
  const auto read_at = [&](uint64_t offset, std::span<std::byte> out) -> size_t {
    const int64_t got = files.read(*program.node, offset, out);
    return got < 0 ? 0 : static_cast<size_t>(got);
  };
  auto image = parse_elf(read_at, program.size);
  if (!image) return image.error().in(program.path);
  return image;
}

// Maps one segment, its file part and the empty rest behind it.
bool map_segment(AddressSpace& space, const Opened& program, const ElfSegment& segment, uint64_t bias) {
  const Access access{segment.read, segment.write, segment.execute};
  const uint64_t begin = page_down(segment.address + bias);
  const uint64_t file_end = segment.address + bias + segment.file_bytes;
  const uint64_t memory_end = page_up(segment.address + bias + segment.memory_bytes);
  if (segment.file_bytes > 0) {
    Region file{.begin = begin,
                .access = access,
                .node = program.node,
                .name = program.path,
                .offset = page_down(segment.offset)};
    if (space.map(std::move(file), file_end - begin, true) < 0) return false;
  }
  const uint64_t empty = segment.file_bytes > 0 ? page_up(file_end) : begin;
  if (memory_end > empty && space.map(Region{.begin = empty, .access = access}, memory_end - empty, true) < 0)
    return false;
  if (segment.memory_bytes > segment.file_bytes && segment.write && file_end % page_bytes != 0 &&
      segment.file_bytes > 0) {
    const std::vector<std::byte> zeros(page_up(file_end) - file_end);
    return UserMemory(space).write(file_end, zeros);
  }
  return true;
}

bool map_image(AddressSpace& space, const Opened& program, const ElfImage& image, uint64_t bias) {
  return std::all_of(image.segments.begin(), image.segments.end(),
                     [&](const ElfSegment& segment) { return map_segment(space, program, segment, bias); });
}

// Of a small program nearly all is touched soon, much of it before its first call; of a large one, a little.
void populate_image(AddressSpace& space, const ElfImage& image, uint64_t bias) {
  if (image.end - image.begin > populated_most) return;
  for (const ElfSegment& segment : image.segments) space.populate(segment.address + bias, segment.memory_bytes);
}

bool strings_fit(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  size_t total = 0;
  for (const auto* list : {&argv, &environment}) {
    for (const std::string& text : *list) {
      if (text.size() >= string_most) return false;
      total += text.size() + 1 + sizeof(uint64_t);
    }
  }
  return total <= strings_most;
}
}  // namespace

// What a program may do when it has begun: set-user-id bits, and root's capabilities (credentials(7), capabilities(7)).
static Credentials credentials_for(const Process& process, const Node& node, const FileSystem& files) {
  Credentials who = process.credentials;
  struct ::stat status {};
  if (!who.no_new_privileges && files.status(node, status) == 0) {
    if ((status.st_mode & S_ISUID) != 0) who.euid = status.st_uid;
    if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) who.egid = status.st_gid;
  }
  who.suid = who.fsuid = who.euid;
  who.sgid = who.fsgid = who.egid;
  const bool root = who.euid == 0 || who.uid == 0;
  who.permitted = (root ? who.bounding | who.inheritable : 0) | who.ambient;
  who.effective = who.euid == 0 ? who.permitted : who.ambient;
  who.secure_bits &= ~16u;  // SECBIT_KEEP_CAPS
  return who;
}

std::string joined_words(const std::vector<std::string>& words) {
  constexpr size_t most = 64u << 10;
  std::string text;
  for (const std::string& word : words) {
    if (text.size() + word.size() >= most) break;
    text.append(word).push_back('\0');
  }
  return text;
}

Layout System::new_layout() {
  const auto pages_of = [&](uint64_t bits) { return (random.next() & ((uint64_t{1} << bits) - 1)) * page_bytes; };
  Layout layout;
  layout.stack_top -= pages_of(22);
  layout.mmap_top = page_down(layout.stack_top - (64u << 20)) - pages_of(28);
  layout.program += pages_of(28);
  layout.heap_gap = pages_of(13);
  return layout;
}

Result<Program> System::load(const Process& process, const std::string& path, std::vector<std::string>& argv,
                             const std::vector<std::string>& environment) {
  const Place& place = process.folders->place;
  Opened program = TRY(open_program(files, place, path));
  std::string comm = path.substr(path.rfind('/') + 1).substr(0, 15);
  std::string script = path;
  for (int depth = 0; program.head.starts_with("#!"); ++depth) {
    if (depth == interpreters_most) return failed(path + ": too many interpreters", ELOOP);
    auto words = script_words(program.head);
    if (words.empty()) return failed(path + ": names no interpreter", ENOEXEC);
    if (!argv.empty()) argv.erase(argv.begin());
    argv.insert(argv.begin(), script);
    argv.insert(argv.begin(), words.begin(), words.end());
    script = words.front();
    program = TRY(open_program(files, place, script));
  }
  if (!strings_fit(argv, environment)) return failed(path + ": arguments too long", E2BIG);
  const ElfImage image = TRY(read_elf(files, program));

  std::shared_ptr<AddressSpace> space = AddressSpace::create(pool, new_layout());
  if (!space) return failed(path + ": no memory", ENOMEM);
  space->stack_limit = std::min<uint64_t>(process.limits[RLIMIT_STACK].rlim_cur, 64u << 20);
  space->data_limit = process.limits[RLIMIT_DATA].rlim_cur;
  space->address_limit = process.limits[RLIMIT_AS].rlim_cur;
  const uint64_t bias = image.movable ? space->layout().program - image.begin : 0;
  if (image.end + bias > user_highest || image.begin + bias < user_lowest)
    return failed(path + ": a segment outside the address space", ENOEXEC);
  if (!map_image(*space, program, image, bias)) return failed(path + ": no room for its segments", ENOMEM);
  uint64_t entry = image.entry + bias, base = 0;
  if (!image.interpreter.empty()) {
    const Opened linker = TRY(open_program(files, place, image.interpreter));
    const ElfImage other = TRY(read_elf(files, linker));
    if (!other.movable) return failed(linker.path + ": an interpreter that cannot be moved", ENOEXEC);
    const int64_t room = space->map(Region{}, other.end - other.begin, false);
    if (room < 0) return failed(linker.path + ": no room", ENOMEM);
    base = static_cast<uint64_t>(room) - other.begin;
    if (!map_image(*space, linker, other, base)) return failed(linker.path + ": no room for its segments", ENOMEM);
    entry = other.entry + base;
    populate_image(*space, other, base);
  }
  populate_image(*space, image, bias);
  space->begin_heap(page_up(image.end + bias) + space->layout().heap_gap);
  Program loaded;
  loaded.credentials = credentials_for(process, *program.node, files);
  const Start start{image, bias, base, entry, path, loaded.credentials, argv, environment};
  loaded.registers = TRY(build_stack(*space, start, random));
  loaded.space = std::move(space);
  loaded.exe = program.path;
  loaded.exe_node = program.node;
  loaded.comm = std::move(comm);
  return loaded;
}

}  // namespace shrike::sandbox::microvm
