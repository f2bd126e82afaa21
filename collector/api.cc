#include "collector/api.h"

#include <httplib.h>
#include <openssl/crypto.h>

#include <mutex>
#include <thread>

#include "collector/api_answers.h"
#include "collector/command_request.h"
#include "collector/event_query.h"
#include "collector/profiles.h"
#include "collector/proof.h"
#include "collector/query.h"
#include "collector/state.h"
#include "collector/store.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::collector {
namespace {

using httplib::DataSink;
using httplib::Request;
using httplib::Response;

// A follower holds a thread: there are more threads than followers may be.
constexpr size_t threads = 2 * Feed<AlertRow>::followers_max + 16;
constexpr size_t piece_bytes = 64u << 10;
constexpr auto quiet = std::chrono::seconds(10);  // then an empty line says that we live
constexpr const char* ndjson = "application/x-ndjson";

/// Collects lines and sends them in pieces; false once the client has gone.
class Lines {
 public:
  explicit Lines(DataSink& sink) : sink_(sink) {}
  bool add(std::string_view line) {
    buffer_.append(line).push_back('\n');
    return buffer_.size() < piece_bytes || flush();
  }
  bool flush() {
    const bool sent = buffer_.empty() || sink_.write(buffer_.data(), buffer_.size());
    buffer_.clear();
    return sent;
  }

 private:
  DataSink& sink_;
  std::string buffer_;
};

class HttpApi : public Api {
 public:
  explicit HttpApi(ApiParts parts) : parts_(std::move(parts)) { routes(); }
  ~HttpApi() override { stop(); }

  Result<void> listen(const std::string& host, int port) {
    const std::string place = host + ":" + std::to_string(port);
    if (port == 0) {
      port_ = server_.bind_to_any_port(host);
    } else {
      port_ = server_.bind_to_port(host, port) ? port : -1;
    }
    if (port_ <= 0) return errno_error("api.listen " + place, errno == 0 ? EADDRINUSE : errno);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    return {};
  }
  int port() const override { return port_; }
  void stop() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void routes();
  bool authorized(const Request& request) const;
  template <class Row, class Query, class History>
  void follow_lines(Response& response, Feed<Row>& feed, Query query, History history);
  template <class Row, class Query, class History>
  void run_follow(DataSink& sink, typename Feed<Row>::Follower& follower, const Query& query, const History& history);
  template <class Query, class Feed, class History>
  void lines_of(const Request& request, Response& response, Query (QueryReader::*read)(), Feed& feed, History history);
  void alerts(const Request& request, Response& response);
  void verdicts(const Request& request, Response& response);
  void events(const Request& request, Response& response);
  void batches(const Request& request, Response& response);
  void proof(const Request& request, Response& response);
  void detonations(const Request& request, Response& response);
  void commands(const Request& request, Response& response);
  void order(const Request& request, Response& response);
  void profiles(const Request& request, Response& response);
  void fleet(const Request& request, Response& response);
  Result<IndexReader> index() const { return IndexReader::open(index_path(parts_.state_dir)); }

  ApiParts parts_;
  httplib::Server server_;
  std::mutex order_mutex_;  // one large body at a time
  std::thread thread_;
  int port_ = -1;
};

void fail(Response& response, int status, const std::string& what, const std::string& parameter = {}) {
  response.status = status;
  response.set_content(error_json(what, parameter), "application/json");
}
bool refused(Response& response, const std::optional<BadParameter>& bad) {
  if (!bad) return false;
  fail(response, 400, "parameter " + bad->parameter + ": " + bad->what, bad->parameter);
  return true;
}

bool wanted(const AlertQuery& query, const AlertRow& row) { return matches(query, row.alert); }
bool wanted(const VerdictQuery& query, const VerdictRow& row) { return matches(query, row); }
const std::string& line_of(const AlertRow& row) { return row.json; }
std::string line_of(const VerdictRow& row) { return verdict_to_json(row); }

bool HttpApi::authorized(const Request& request) const {
  const std::string given = request.get_header_value("Authorization");
  // Digests have one length, so that neither the token's length nor its bytes show in the time taken.
  const Digest a = sha256(given);
  const Digest b = sha256("Bearer " + parts_.token);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void HttpApi::routes() {
  server_.new_task_queue = [] { return new httplib::ThreadPool(threads); };  // httplib owns and deletes it
  server_.set_tcp_nodelay(true);
  server_.set_read_timeout(5);
  server_.set_write_timeout(5);
  server_.set_keep_alive_timeout(5);
  server_.set_payload_max_length(command_request_max_bytes);
  server_.set_pre_routing_handler([this](const Request& request, Response& response) {
    if (request.path == "/metrics" || authorized(request)) return httplib::Server::HandlerResponse::Unhandled;
    response.set_header("WWW-Authenticate", "Bearer");
    fail(response, 401, "the bearer token is missing or wrong");
    return httplib::Server::HandlerResponse::Handled;
  });
  server_.set_error_handler([](const Request&, Response& response) {
    if (response.body.empty())
      fail(response, response.status, response.status == 404 ? "no such address" : "bad request");
  });
  server_.set_exception_handler([](const Request&, Response& response, std::exception_ptr) {
    fail(response, 500, "the request failed inside the collector");
  });
  server_.Get("/metrics", [this](const Request&, Response& response) {
    Gauges gauges = parts_.gauges();
    gauges.followers = parts_.alerts.followers() + parts_.verdicts.followers();
    response.set_content(metrics_text(parts_.metrics, gauges), "text/plain; version=0.0.4");
  });
  const auto answer = [this](auto&& make) {
    return [this, make](const Request& request, Response& response) {
      QueryReader query(request.params, wall_now_ns());
      if (refused(response, query.finish())) return;
      auto reader = index();
      auto text = reader ? make(*reader) : Result<std::string>(reader.error());
      if (!text) return fail(response, 500, text.error().message);
      response.set_content(*text, "application/json");
    };
  };
  server_.Get("/v1/nodes", answer([this](IndexReader& reader) { return nodes_json(reader, parts_.registry); }));
  server_.Get("/v1/status", answer([this](IndexReader& reader) { return status_json(reader, parts_); }));
  server_.Get("/v1/alerts", [this](const Request& q, Response& r) { alerts(q, r); });
  server_.Get("/v1/verdicts", [this](const Request& q, Response& r) { verdicts(q, r); });
  server_.Get("/v1/events", [this](const Request& q, Response& r) { events(q, r); });
  server_.Get("/v1/batches", [this](const Request& q, Response& r) { batches(q, r); });
  server_.Get("/v1/proof", [this](const Request& q, Response& r) { proof(q, r); });
  server_.Get("/v1/detonations", [this](const Request& q, Response& r) { detonations(q, r); });
  server_.Get("/v1/commands", [this](const Request& q, Response& r) { commands(q, r); });
  server_.Post("/v1/commands", [this](const Request& q, Response& r) { order(q, r); });
  server_.Get("/v1/profiles", [this](const Request& q, Response& r) { profiles(q, r); });
  server_.Get("/v1/profiles/fleet", [this](const Request& q, Response& r) { fleet(q, r); });
}

/// Runs `send` as the whole body; what it returns as an error becomes the body's last line.
template <class Send>
void stream(Response& response, const char* type, Send send) {
  response.set_chunked_content_provider(type, [send](size_t, DataSink& sink) {
    const Result<void> sent = send(sink);
    if (!sent) {
      const std::string last = error_json(sent.error().message);
      sink.write(last.data(), last.size());
    }
    sink.done();
    return true;
  });
}

// History, then what is live. The follower is registered before the index is read, so that nothing falls between; what
// both have is told by its serial.
template <class Row, class Query, class History>
void HttpApi::follow_lines(Response& response, Feed<Row>& feed, Query query, History history) {
  auto follower = feed.follow([query](const Row& row) { return wanted(query, row); });
  if (!follower) return fail(response, 503, follower.error().message);
  auto shared = std::move(follower).value();
  response.set_chunked_content_provider(
      ndjson,
      [this, shared, query, history](size_t, DataSink& sink) {
        run_follow<Row>(sink, *shared, query, history);
        sink.done();
        return true;
      },
      [&feed, shared](bool) { feed.leave(shared); });
}

template <class Row, class Query, class History>
void HttpApi::run_follow(DataSink& sink, typename Feed<Row>::Follower& follower, const Query& query,
                         const History& history) {
  using State = typename Feed<Row>::Follower::State;
  Lines lines(sink);
  uint64_t told = 0;
  {
    auto reader = index();
    auto last = reader ? reader->serial() : Result<uint64_t>(reader.error());
    Result<void> sent = last ? history(*reader, query, *last, [&](std::string_view line) { return lines.add(line); })
                             : Result<void>(last.error());
    if (!sent) {
      lines.add(error_json(sent.error().message));
      lines.flush();
      return;
    }
    told = *last;
  }
  if (!lines.flush()) return;
  auto spoke = std::chrono::steady_clock::now();
  for (;;) {
    std::vector<typename Feed<Row>::RowPtr> rows;
    const State state = follower.wait(rows, std::chrono::seconds(1));
    const auto now = std::chrono::steady_clock::now();
    for (const auto& row : rows) {
      if (row->serial <= told) continue;
      if (!lines.add(line_of(*row))) return;
      spoke = now;
    }
    if (!lines.flush()) return;
    if (state == State::overrun) {
      ++parts_.metrics.followers_dropped;
      const std::string last = error_json("too slow: more came than this connection took; ask again with since=");
      sink.write(last.data(), last.size());
      return;
    }
    if (state == State::closed) return;
    if (now - spoke >= quiet) {
      spoke = now;
      if (!sink.write("\n", 1)) return;
    }
    if (rows.empty() && !sink.is_writable()) return;
  }
}

// What is kept of one kind, and with `follow` also what comes.
template <class Query, class Feed, class History>
void HttpApi::lines_of(const Request& request, Response& response, Query (QueryReader::*read)(), Feed& feed,
                       History history) {
  QueryReader reader(request.params, wall_now_ns());
  Query query = (reader.*read)();
  const bool follow = reader.follow();
  if (refused(response, reader.finish())) return;
  if (follow) return follow_lines(response, feed, std::move(query), history);
  stream(response, ndjson, [this, query, history](DataSink& sink) -> Result<void> {
    IndexReader index = TRY(this->index());
    Lines lines(sink);
    TRY_VOID(history(index, query, INT64_MAX, [&](std::string_view line) { return lines.add(line); }));
    lines.flush();
    return {};
  });
}

void HttpApi::alerts(const Request& request, Response& response) {
  lines_of(request, response, &QueryReader::alerts, parts_.alerts,
           [](IndexReader& index, const AlertQuery& query, uint64_t last, const IndexReader::Line& each) {
             return index.alerts(query, last, each);
           });
}

void HttpApi::verdicts(const Request& request, Response& response) {
  lines_of(request, response, &QueryReader::verdicts, parts_.verdicts,
           [](IndexReader& index, const VerdictQuery& query, uint64_t last, const IndexReader::Line& each) {
             return index.verdicts(query, last, each);
           });
}

void HttpApi::events(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const EventQuery query = reader.events();
  if (refused(response, reader.finish())) return;
  stream(response, ndjson, [this, query](DataSink& sink) -> Result<void> {
    IndexReader index = TRY(this->index());
    Lines lines(sink);
    uint64_t unread = 0;
    TRY_VOID(query_events(
        index, segments_path(parts_.state_dir), query, [&](std::string_view line) { return lines.add(line); }, unread));
    lines.flush();
    if (unread > 0)
      return Error{std::to_string(unread) + " stored batches or events could not be read: see shrike verify"};
    return {};
  });
}

void HttpApi::batches(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const BatchQuery query = reader.batches();
  if (refused(response, reader.finish())) return;
  stream(response, "application/octet-stream", [this, query](DataSink& sink) -> Result<void> {
    const auto send = [&](std::string_view bytes) {
      std::string piece(4, '\0');
      store_le(piece.data(), static_cast<uint32_t>(bytes.size()));
      piece.append(bytes);
      return sink.write(piece.data(), piece.size());
    };
    // Not an error line: in this body it would be read as a batch. A missing batch shows as a hole in its chain.
    uint64_t unread = 0;
    auto index = this->index();
    if (index) (void)query_batches(*index, segments_path(parts_.state_dir), query, send, unread);
    return {};
  });
}

void HttpApi::detonations(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const DetonationQuery query = reader.detonations();
  if (refused(response, reader.finish())) return;
  stream(response, ndjson, [this, query](DataSink& sink) -> Result<void> {
    IndexReader index = TRY(this->index());
    Lines lines(sink);
    TRY_VOID(index.detonations(query, [&](std::string_view line) { return lines.add(line); }));
    lines.flush();
    return {};
  });
}

void HttpApi::commands(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const CommandQuery query = reader.commands();
  if (refused(response, reader.finish())) return;
  const auto rows = parts_.commands.list(query);
  if (!rows) return fail(response, 500, rows.error().message);
  std::string text;
  for (const CommandRow& row : *rows) text += command_to_json(row) + "\n";
  response.set_content(text, ndjson);
}

void HttpApi::order(const Request& request, Response& response) {
  const std::lock_guard lock(order_mutex_);
  BadParameter bad;
  const auto command = parse_command_request(request.body, bad);
  if (!command) return (void)refused(response, bad);
  if (!parts_.registry.find(command->node))
    return (void)refused(response, BadParameter{"node", "no node of that name is known"});
  const auto added = parts_.commands.add(*command, wall_now_ns());
  if (!added) {
    const int code = added.error().code;
    return fail(response, code == EEXIST ? 409 : code == ENOSPC ? 507 : code == 0 ? 400 : 500, added.error().message);
  }
  response.status = added->was_there ? 200 : 201;
  response.set_content(command_to_json(added->row) + "\n", "application/json");
}

void HttpApi::proof(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const ProofQuery query = reader.proof();
  if (refused(response, reader.finish())) return;
  const auto make = [&]() -> Result<std::string> {
    IndexReader index = TRY(this->index());
    const auto places = TRY(index.batches(query.batch, INT64_MAX, 1, true));
    if (places.empty()) return Error{"no such batch", ENOENT};
    const auto known = parts_.registry.find(query.batch.node);
    if (!known) return Error{"no key of node " + query.batch.node + " is known"};
    const StoredRecord record = TRY(read_record(segments_path(parts_.state_dir), places[0].at, places[0].size));
    return make_proof(record.bytes, query.index, known->key);
  };
  auto text = make();
  if (!text) return fail(response, text.error().code == ENOENT ? 404 : 400, text.error().message);
  response.set_content(*text, "application/json");
}

void HttpApi::profiles(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const ProfileQuery query = reader.profiles();
  const size_t min_nodes = reader.min_nodes();
  if (refused(response, reader.finish())) return;
  stream(response, ndjson, [this, query, min_nodes](DataSink& sink) -> Result<void> {
    IndexReader index = TRY(this->index());
    std::vector<std::string> texts;  // first all, so that no client holds the index
    TRY_VOID(each_program(index, query, [&](const ProgramProfiles& program) {
      texts.push_back(program_to_json(program, min_nodes));
      return true;
    }));
    Lines lines(sink);
    for (const std::string& text : texts)
      if (!lines.add(text)) return {};
    lines.flush();
    return {};
  });
}

void HttpApi::fleet(const Request& request, Response& response) {
  QueryReader reader(request.params, wall_now_ns());
  const ProfileQuery query = reader.profiles();
  const size_t min_nodes = reader.min_nodes();
  if (refused(response, reader.finish())) return;
  auto index = this->index();
  auto file = index ? fleet_file(*index, query, min_nodes, parts_.key) : Result<std::string>(index.error());
  if (!file) return fail(response, 400, file.error().message);
  response.set_content(*file, "application/octet-stream");
}

}  // namespace

Result<std::unique_ptr<Api>> Api::start(const std::string& host, int port, ApiParts parts) {
  auto api = std::make_unique<HttpApi>(std::move(parts));
  TRY_VOID(api->listen(host, port));
  return std::unique_ptr<Api>(std::move(api));
}

}  // namespace shrike::collector
