// link: shrike_collector
// Threat model: any local user reaches the API's port, and operators paste anything into a query; a proof file comes
// from anywhere. The first line is read as a query string of name=value&..., all of it as a proof. Never a crash, and a
// changed proof is never proven: what is proven must carry a signature, which random bytes cannot.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "collector/event_query.h"
#include "collector/proof.h"
#include "collector/query.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace shrike::collector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Parameters parameters;
  std::string_view rest = text.substr(0, text.find('\n'));
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const size_t equals = std::min(one.find('='), one.size());
    parameters.emplace(one.substr(0, equals), one.substr(std::min(one.size(), equals + 1)));
  }
  QueryReader reader(parameters, 1'700'000'000'000'000'000);
  reader.alerts();
  reader.events();
  reader.proof();
  reader.profiles();
  reader.min_nodes();
  reader.follow();
  if (const auto bad = reader.finish(); bad && bad->what.empty()) std::abort();
  (void)check_proof(text);
  peek_event(text);
  bytes_field(text, 9);
  return 0;
}
