#include "collector/ctl/batch_stream.h"

#include "common/base/bytes.h"

namespace shrike::ctl {
namespace {
constexpr size_t queue_max_bytes = 32u << 20;
constexpr size_t piece_max_bytes = batch_max_bytes + 65536;
}  // namespace

Result<void> Pieces::feed(std::string_view bytes, const std::function<void(std::string)>& on_piece) {
  rest_.append(bytes);
  size_t at = 0;
  while (rest_.size() - at >= 4) {
    const size_t size = load_le<uint32_t>(rest_.data() + at);
    if (size > most_bytes_) return Error{"the collector sent a batch of " + std::to_string(size) + " bytes"};
    if (rest_.size() - at - 4 < size) break;
    on_piece(rest_.substr(at + 4, size));
    at += 4 + size;
  }
  rest_.erase(0, at);
  return {};
}

BatchStream::BatchStream(Client& client, Parameters parameters)
    : client_(client), thread_([this, parameters = std::move(parameters)] { receive(parameters); }) {}

BatchStream::~BatchStream() {
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
  }
  changed_.notify_all();
  client_.stop();
  thread_.join();
}

bool BatchStream::put(std::string piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return abandoned_ || queued_bytes_ < queue_max_bytes; });
  queued_bytes_ += piece.size();
  queue_.push_back(std::move(piece));
  changed_.notify_all();
  return !abandoned_;
}

void BatchStream::receive(const Parameters& parameters) {
  Pieces pieces(piece_max_bytes);
  std::optional<Error> failure;
  const auto end = client_.stream("/v1/batches", parameters, 120, [&](std::string_view bytes) {
    bool wanted = true;
    const auto fed = pieces.feed(bytes, [&](std::string piece) { wanted = put(std::move(piece)) && wanted; });
    if (!fed.ok()) failure = fed.error();
    return fed.ok() && wanted;
  });
  if (!end.ok()) failure = end.error();
  if (!failure && !pieces.whole()) failure = Error{"the collector's answer ends inside a batch"};
  const std::lock_guard lock(mutex_);
  failure_ = failure;
  done_ = true;
  changed_.notify_all();
}

Result<bool> BatchStream::next(collector::StoredBatch& batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ || !queue_.empty(); });
  if (queue_.empty()) {
    if (failure_) return *failure_;
    return false;
  }
  current_ = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= current_.size();
  changed_.notify_all();
  batch = {current_, {}, collector::Damage::none};
  return true;
}

}  // namespace shrike::ctl
