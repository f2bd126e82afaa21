#include "collector/ctl/client.h"

#include <httplib.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>

namespace shrike::ctl {
namespace {

constexpr size_t answer_max_bytes = 64u << 20;
constexpr size_t line_max_bytes = 4u << 20;

void append_encoded(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(digits[byte >> 4]);
      out.push_back(digits[byte & 15]);
    }
  }
}

/// The collector's sentence in an error answer: {"error": "..."} or plain text.
std::string sentence(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) return json["error"].get<std::string>();
  return body.substr(0, 300);
}

}  // namespace

std::string url(const std::string& path, const Parameters& parameters) {
  std::string out = path;
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    out.push_back(separator);
    separator = '&';
    append_encoded(out, name);
    out.push_back('=');
    append_encoded(out, value);
  }
  return out;
}

struct Client::Http {
  explicit Http(const Endpoint& endpoint) : client(endpoint.host, endpoint.port) {
    client.set_connection_timeout(5);
    client.set_tcp_nodelay(true);
    client.set_url_encode(false);  // url() has done it
    if (!endpoint.token.empty()) client.set_bearer_token_auth(endpoint.token);
  }
  httplib::Client client;
  std::atomic<bool> stopped{false};
};

Client::Client(Endpoint endpoint) : endpoint_(std::move(endpoint)), http_(std::make_unique<Http>(endpoint_)) {}
Client::~Client() = default;

void Client::stop() {
  http_->stopped = true;
  http_->client.stop();
}

Result<void> Client::stream(const std::string& path, const Parameters& parameters, int idle_s,
                            const std::function<bool(std::string_view)>& on_bytes) {
  if (http_->stopped) return Error{"stopped", ECANCELED};
  http_->client.set_read_timeout(idle_s);
  int status = 0;
  std::string refusal;
  bool ended_by_us = false;
  const auto on_response = [&](const httplib::Response& response) {
    status = response.status;
    return !http_->stopped;  // stop() may have come before there was a socket to close
  };
  const auto on_content = [&](const char* data, size_t size) {
    if (status != 200) {
      if (refusal.size() < 4096) refusal.append(data, size);
      return true;
    }
    if (on_bytes({data, size})) return true;
    ended_by_us = true;
    return false;
  };
  const auto result = http_->client.Get(url(path, parameters), httplib::Headers{}, on_response, on_content);
  if (ended_by_us) return {};
  if (http_->stopped) return Error{"stopped", ECANCELED};
  const std::string where = endpoint_.address();
  if (status == 401 || status == 403) {
    return Error{"the collector at " + where + " does not accept the token in " + endpoint_.token_file +
                     ": is it another collector's?",
                 EACCES};
  }
  if (status != 0 && status != 200) {
    return Error{"the collector at " + where + " answers " + std::to_string(status) + ": " + sentence(refusal),
                 status >= 500 ? EAGAIN : 0};
  }
  if (result) return {};
  if (status == 200) return Error{"the connection to the collector at " + where + " broke", ECONNRESET};
  switch (result.error()) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
      return Error{"no collector answers at " + where + ": is shrike-collector running? See systemctl status " +
                       "shrike-collector; another address: --api or SHRIKE_API",
                   ECONNREFUSED};
    case httplib::Error::Read:
      return Error{"what listens at " + where + " does not answer as a collector, or not in time", ETIMEDOUT};
    default:
      return Error{"the collector at " + where + ": " + httplib::to_string(result.error())};
  }
}

Result<std::string> Client::get(const std::string& path, const Parameters& parameters) {
  std::string body;
  bool too_long = false;
  TRY_VOID(stream(path, parameters, 60, [&](std::string_view bytes) {
    too_long = body.size() + bytes.size() > answer_max_bytes;
    if (!too_long) body.append(bytes);
    return !too_long;
  }));
  if (too_long) return Error{"the collector's answer to " + path + " is longer than 64 MiB"};
  return body;
}

Result<std::string> Client::post(const std::string& path, const std::string& json) {
  if (http_->stopped) return Error{"stopped", ECANCELED};
  constexpr int patience_s = 120;  // 64 MiB are signed and put on a disk
  http_->client.set_read_timeout(patience_s);
  http_->client.set_write_timeout(patience_s);
  const auto result = http_->client.Post(path, json, "application/json");
  const std::string where = endpoint_.address();
  if (!result) {
    const bool away =
        result.error() == httplib::Error::Connection || result.error() == httplib::Error::ConnectionTimeout;
    return Error{away ? "no collector answers at " + where + ": is shrike-collector running?"
                      : "the collector at " + where + ": " + httplib::to_string(result.error()),
                 away ? ECONNREFUSED : ECONNRESET};
  }
  if (result->status == 401 || result->status == 403)
    return Error{"the collector at " + where + " does not accept the token in " + endpoint_.token_file, EACCES};
  if (result->status < 200 || result->status > 299)
    return Error{
        "the collector at " + where + " answers " + std::to_string(result->status) + ": " + sentence(result->body),
        result->status >= 500 ? EAGAIN : 0};
  return result->body;
}

Result<void> Client::lines(const std::string& path, const Parameters& parameters, int idle_s,
                           const std::function<bool(std::string_view)>& on_line) {
  std::string rest;
  std::optional<Error> failure;
  // The head of the answer has gone out by the time something fails: the collector says so in its last line.
  const auto take = [&](std::string_view line) {
    if (!line.starts_with("{\"error\":")) return on_line(line);
    failure = Error{"the collector at " + endpoint_.address() + ": " + sentence(std::string(line)), EAGAIN};
    return false;
  };
  const auto end = stream(path, parameters, idle_s, [&](std::string_view bytes) {
    size_t at;
    while ((at = bytes.find('\n')) != std::string_view::npos) {
      std::string_view line = bytes.substr(0, at);
      if (!rest.empty()) line = rest.append(line);
      if (!take(line)) return false;
      rest.clear();
      bytes.remove_prefix(at + 1);
    }
    const bool too_long = rest.size() + bytes.size() > line_max_bytes;
    if (too_long) failure = Error{"the collector sent a line of more than 4 MiB"};
    if (!too_long) rest.append(bytes);
    return !too_long;
  });
  if (failure) return *failure;
  if (end.ok() && !rest.empty()) take(rest);  // complete: the collector ended the answer here
  if (failure) return *failure;
  return end;
}

}  // namespace shrike::ctl
