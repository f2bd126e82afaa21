#pragma once
// Files of the kernel's that take or give one short text.

#include <string>
#include <string_view>

namespace shrike::sandbox::process {

/// Writes it in one write(2). False: errno says why.
bool put(const std::string& path, std::string_view text);
/// What is in it, at most 4 KiB; empty where it cannot be read.
std::string get(const std::string& path);
/// The number behind `key` in lines of "key number", or the whole file's for an empty key; 0 where there is none.
uint64_t get_number(const std::string& path, std::string_view key = {});

}  // namespace shrike::sandbox::process
