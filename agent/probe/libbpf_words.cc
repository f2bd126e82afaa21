#include "agent/probe/libbpf_words.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace shrike::probe {
namespace {

// libbpf's print function has no argument to carry the words in.
thread_local std::string* libbpf_words = nullptr;

}  // namespace

LibbpfWords::LibbpfWords() {
  libbpf_words = &text;
  libbpf_set_print([](libbpf_print_level level, const char* format, va_list arguments) {
    if (libbpf_words == nullptr || level == LIBBPF_DEBUG) return 0;
    char* line = nullptr;  // a verifier's log is one line to libbpf
    if (::vasprintf(&line, format, arguments) < 0) return 0;
    libbpf_words->append(line);
    ::free(line);
    return 0;
  });
}

LibbpfWords::~LibbpfWords() { libbpf_words = nullptr; }

std::string refused_program(const std::string& words) {
  const size_t end = words.find("': BPF program load failed");
  const size_t any = end != std::string::npos ? words.rfind("prog '", end) : words.rfind("prog '");
  if (any == std::string::npos) return {};
  const size_t begin = any + 6;
  return words.substr(begin, words.find('\'', begin) - begin);
}

std::string last_words(std::string words, int lines) {
  if (const size_t end = words.find("-- END PROG LOAD LOG --"); end != std::string::npos) words.resize(end);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  size_t begin = words.size();
  for (int i = 0; i < lines && begin != std::string::npos && begin > 0; ++i) begin = words.rfind('\n', begin - 1);
  std::string tail = begin == std::string::npos ? words : words.substr(begin);
  std::replace(tail.begin(), tail.end(), '\n', ' ');
  return tail;
}

}  // namespace shrike::probe
