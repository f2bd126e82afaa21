#include "agent/probe/links.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <string>

#include "agent/probe/libbpf_words.h"

namespace shrike::probe {

Result<void> Links::attach_all(bpf_object* object, std::string_view what) {
  LibbpfWords words;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__fd(program) < 0) continue;
    bpf_link* const link = bpf_program__attach(program);
    if (link == nullptr) {
      const int code = errno;
      const Error why = errno_error(
          "attaching " + std::string(what) + " " + bpf_program__name(program) + ": " + last_words(words.text), code);
      detach();
      return why;
    }
    add(link);
  }
  return {};
}

void Links::detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

}  // namespace shrike::probe
