#include "sandbox/process/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>

#include "common/base/fd.h"

namespace shrike::sandbox::process {

bool put(const std::string& path, std::string_view text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return false;
  ssize_t done = 0;
  do done = ::write(file.get(), text.data(), text.size());
  while (done < 0 && errno == EINTR);
  return done == static_cast<ssize_t>(text.size());
}

std::string get(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return {};
  char bytes[4096];
  const ssize_t got = ::read(file.get(), bytes, sizeof bytes);
  return got > 0 ? std::string(bytes, static_cast<size_t>(got)) : std::string();
}

uint64_t get_number(const std::string& path, std::string_view key) {
  const std::string text = get(path);
  std::string_view rest = text;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!key.empty()) {
      if (!line.starts_with(key) || line.substr(key.size(), 1) != " ") continue;
      line.remove_prefix(key.size() + 1);
    }
    uint64_t number = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), number).ec == std::errc()) return number;
  }
  return 0;
}

}  // namespace shrike::sandbox::process
