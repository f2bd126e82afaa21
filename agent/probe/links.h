#pragma once
// What is attached to the kernel, and taken off it with this object.

#include <string_view>
#include <vector>

#include "common/base/result.h"

struct bpf_link;
struct bpf_object;

namespace shrike::probe {

/// The links of one BPF object. Whoever destroys it detaches them.
class Links {
 public:
  Links() = default;
  ~Links() { detach(); }
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  void add(bpf_link* link) { links_.push_back(link); }
  /// Attaches every loaded program of `object`; all of them or none. Errors: libbpf's, with `what` and the program.
  [[nodiscard]] Result<void> attach_all(bpf_object* object, std::string_view what);
  void detach();
  [[nodiscard]] auto begin() const { return links_.begin(); }
  [[nodiscard]] auto end() const { return links_.end(); }

 private:
  std::vector<bpf_link*> links_;
};

}  // namespace shrike::probe
