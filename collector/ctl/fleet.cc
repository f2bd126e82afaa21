// `shrike nodes` and `shrike status`.

#include "collector/ctl/client.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/show.h"
#include "common/base/clock.h"

namespace shrike::ctl {
namespace {

int print(const Result<std::string>& text, Output& out) {
  if (!text.ok()) {
    complain(text.error().message);
    return exit_failed;
  }
  std::string_view rest = *text;
  while (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  out.line(rest);
  return exit_ok;
}

}  // namespace

int run_nodes(const NodesOptions& options, const Endpoint& endpoint, Output& out) {
  auto body = Client(endpoint).get("/v1/nodes", {});
  if (!body.ok() || options.json) return print(body, out);
  return print(nodes_as_text(*body, wall_now_ns(), out.colour()), out);
}

int run_status(const StatusOptions& options, const Endpoint& endpoint, Output& out) {
  auto body = Client(endpoint).get("/v1/status", {});
  if (!body.ok() || options.json) return print(body, out);
  return print(status_as_text(*body, out.colour()), out);
}

}  // namespace shrike::ctl
