#pragma once
// Which collector to ask, and with which token.

#include <string>

#include "collector/ctl/options.h"
#include "common/base/result.h"

namespace shrike::ctl {

struct Endpoint {
  std::string host = "127.0.0.1";
  int port = 9477;
  std::string token_file;
  std::string token;  ///< empty: none is sent

  [[nodiscard]] std::string address() const;
};

/// "127.0.0.1:9477", "localhost:9477", "[::1]:9477", with or without "http://". Errors: no port; another host, because
/// the API is plain HTTP and its token would cross the network.
Result<Endpoint> parse_address(const std::string& text);

/// The token in a file. Errors: it cannot be read, with what to do about it; it holds something that is no token.
Result<std::string> read_token(const std::string& path);

/// Completes `options` from the configuration file (which may be missing unless it was named) and the defaults, and
/// reads the token. The file: `api = "ADDRESS:PORT"` and `token_file = "FILE"`; anything else in it is an error with
/// its line and column.
Result<Endpoint> find_endpoint(const ApiOptions& options);

}  // namespace shrike::ctl
