#pragma once
// What a path says of a file. All take absolute, normalised paths.

#include <cstdint>
#include <string_view>

namespace shrike::detonate {

/// Files that say what kind of machine this is, and who is looking.
bool tells_of_analysts(std::string_view path);
/// Files and folders from which programs are started later: by time, at start, at log-in, with every program.
bool starts_programs(std::string_view path);
/// Private keys, passwords, tokens, purses.
bool is_credential(std::string_view path);
/// The system's own programs whose credentials these are: `program` is an executable's path.
bool reads_credentials(std::string_view program);
/// A file in somebody's home that a program does not read as its own settings.
bool is_users_document(std::string_view path);
/// The system's programs and libraries, but for what interpreters keep beside theirs.
bool is_system_program(std::string_view path);
/// Where everybody may write.
bool is_shared_folder(std::string_view path);
/// /proc/N/mem of another process than `pid`.
bool is_others_memory(std::string_view path, uint32_t pid);
/// Whether a file that is now called `after` is of the kind it was: the same extension, or one more that a compressor
/// or a rotation gives.
bool same_kind(std::string_view before, std::string_view after);

}  // namespace shrike::detonate
