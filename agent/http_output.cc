#include "agent/http_output.h"

#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/base/clock.h"

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto first_pause = 250ms;
constexpr auto longest_pause = 30'000ms;
constexpr size_t answer_max_bytes = 64u << 10;
constexpr uint64_t ns_per_ms = 1'000'000;
/// To connect, to send and to be answered: a request that takes longer than all three is broken off.
constexpr uint64_t patience_in_timeouts = 3;

bool mends_itself(int status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

}  // namespace

Result<HttpTarget> parse_http_url(std::string_view url) {
  const Error shape{"must be http://host[:port][/path] or https://host[:port][/path]"};
  HttpTarget target;
  if (url.size() > 2048) return shape;
  for (const char c : url)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '@' || c == '#' || c == '"' || c == '\\')
      return shape;
  if (url.starts_with("https://")) {
    target.tls = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return shape;
  }
  const size_t slash = url.find_first_of("/?");
  if (slash != std::string_view::npos) {
    target.path = url.substr(slash);
    if (target.path.front() == '?') target.path.insert(0, "/");
    url = url.substr(0, slash);
  }
  const size_t bracket = url.starts_with('[') ? url.find(']') : 0;
  if (bracket == std::string_view::npos) return shape;
  const size_t colon = url.find(':', bracket);
  target.host = bracket == 0 ? url.substr(0, colon) : url.substr(1, bracket - 1);
  if (bracket != 0 && bracket + 1 != std::min(colon, url.size())) return shape;
  target.port = target.tls ? 443 : 80;
  if (colon != std::string_view::npos) {
    const std::string_view port = url.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), target.port);
    if (error != std::errc() || end != port.data() + port.size() || target.port == 0) return shape;
  }
  if (target.host.empty()) return shape;
  return target;
}

struct HttpOutput::Impl {
  explicit Impl(HttpOptions given) : options(std::move(given)), client(make_client(options)) {
    client->set_connection_timeout(std::chrono::milliseconds(options.timeout_ms));
    client->set_read_timeout(std::chrono::milliseconds(options.timeout_ms));
    client->set_write_timeout(std::chrono::milliseconds(options.timeout_ms));
    client->set_keep_alive(true);
    client->set_tcp_nodelay(true);
    client->set_follow_location(false);  // a redirect is not where the operator told us to send this
    client->enable_server_certificate_verification(true);
    if (!options.ca_file.empty()) client->set_ca_cert_path(options.ca_file.c_str());
  }

  static std::unique_ptr<httplib::Client> make_client(const HttpOptions& options) {
    const HttpTarget& to = options.target;
    const std::string host = to.host.find(':') == std::string::npos ? to.host : "[" + to.host + "]";
    return std::make_unique<httplib::Client>((to.tls ? "https://" : "http://") + host + ":" + std::to_string(to.port));
  }

  void run();
  /// True: done with it, one way or the other.
  bool send(const std::string& line);
  void drop_front() {
    bytes -= queue.front().size();
    queue.pop_front();
  }

  HttpOptions options;
  std::unique_ptr<httplib::Client> client;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::string> queue;  // the first may be on its way
  size_t bytes = 0;
  bool sending = false;  // the first one is
  bool stopping = false;
  Counts counts;
  std::atomic<uint64_t> began_ns{0};  // of the request on its way; 0: none
  std::thread thread;
};

bool HttpOutput::Impl::send(const std::string& line) {
  httplib::Request request;
  request.method = "POST";
  request.path = options.target.path;
  request.headers = {{"Content-Type", std::string(format_media_type(options.format))},
                     {"User-Agent", "shrike/" + options.version}};
  request.body = line;
  int status = 0;
  size_t answered = 0;
  request.response_handler = [&](const httplib::Response& response) {
    status = response.status;
    return true;
  };
  // Read, so that the connection can be used again; not kept, and not for ever.
  request.content_receiver = [&](const char*, size_t size, uint64_t, uint64_t) {
    answered += size;
    return answered <= answer_max_bytes;
  };
  began_ns = boot_now_ns();
  const auto result = client->send(request);
  began_ns = 0;
  const std::lock_guard lock(mutex);
  if (status >= 200 && status < 300) {
    ++counts.posted;
    return true;
  }
  if (status != 0) {
    counts.last_error = "the server answers " + std::to_string(status);
    if (!mends_itself(status)) {
      ++counts.refused;
      return true;
    }
  } else {
    counts.last_error = httplib::to_string(result.error());
  }
  ++counts.failures;
  return false;
}

void HttpOutput::Impl::run() {
  std::unique_lock lock(mutex);
  auto pause = std::chrono::milliseconds(first_pause);
  for (;;) {
    wake.wait(lock, [&] { return stopping || !queue.empty(); });
    if (stopping) return;
    const std::string line = queue.front();
    sending = true;
    lock.unlock();
    const bool done = send(line);
    lock.lock();
    // A full queue may have dropped it meanwhile: then `sending` is off and the front is another.
    if (done) {
      if (sending) drop_front();
      pause = first_pause;
    } else {
      wake.wait_for(lock, pause, [&] { return stopping; });
      pause = std::min<std::chrono::milliseconds>(pause * 2, longest_pause);
    }
    sending = false;
    if (queue.empty()) wake.notify_all();
  }
}

HttpOutput::HttpOutput(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  impl_->thread = std::thread([raw = impl_.get()] { raw->run(); });
}

HttpOutput::~HttpOutput() { stop(0); }

void HttpOutput::post(const Alert& alert) {
  if (alert.severity < impl_->options.severity) return;
  std::string line = format_alert(alert, impl_->options.format);
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stopping) return;
  impl_->bytes += line.size();
  impl_->queue.push_back(std::move(line));
  while (impl_->queue.size() > 1 &&
         (impl_->queue.size() > impl_->options.queue_max || impl_->bytes > impl_->options.queue_max_bytes)) {
    impl_->drop_front();
    impl_->sending = false;
    ++impl_->counts.dropped;
  }
  impl_->wake.notify_all();
}

HttpOutput::Counts HttpOutput::counts() const {
  const std::lock_guard lock(impl_->mutex);
  Counts counts = impl_->counts;
  counts.queued = impl_->queue.size();
  return counts;
}

void HttpOutput::look_after() {
  const uint64_t began = impl_->began_ns;
  if (began == 0 || boot_now_ns() - began < patience_in_timeouts * impl_->options.timeout_ms * ns_per_ms) return;
  impl_->client->stop();
}

void HttpOutput::stop(uint32_t patience_ms) {
  {
    std::unique_lock lock(impl_->mutex);
    impl_->wake.wait_for(lock, std::chrono::milliseconds(patience_ms), [&] { return impl_->queue.empty(); });
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->client->stop();
  if (impl_->thread.joinable()) impl_->thread.join();
  const std::lock_guard lock(impl_->mutex);
  impl_->counts.dropped += impl_->queue.size();
  impl_->queue.clear();
  impl_->bytes = 0;
}

}  // namespace shrike::agent
