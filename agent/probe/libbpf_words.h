#pragma once
// What libbpf says while it loads something, and how to put that into one line.

#include <string>

namespace shrike::probe {

/// While it exists, libbpf's warnings on this thread go into `text` instead of to standard error. One at a time.
class LibbpfWords {
 public:
  LibbpfWords();
  ~LibbpfWords();
  LibbpfWords(const LibbpfWords&) = delete;
  LibbpfWords& operator=(const LibbpfWords&) = delete;
  std::string text;
};

/// The program that libbpf could not load, from its words; "" when they name none.
std::string refused_program(const std::string& words);

/// The last lines of what the verifier or libbpf said, as one line.
std::string last_words(std::string words, int lines = 4);

}  // namespace shrike::probe
