#include "collector/state.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "collector/findings.h"
#include "collector/rebuild.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"

namespace shrike::collector {
namespace {

Result<Fd> lock_folder(const std::string& dir) {
  const std::string path = dir + "/lock";
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!fd.valid()) return errno_error(path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{dir + ": another shrike-collector is running here", EBUSY};
    return errno_error(path);
  }
  return fd;
}

// 32 random bytes as hexadecimal. Group-readable, so that operators of one group may use it.
Result<std::string> load_or_make_token(const std::string& path) {
  auto text = read_file(path, 4096);
  if (!text && text.error().code != ENOENT) return text.error();
  if (text) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno_error(path);
    if ((status.st_mode & 0007) != 0) return Error{path + ": others may read this token: chmod o= " + path};
    std::string token = std::move(text).value();
    while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
    if (token.size() < 16)
      return Error{path + ": a token of less than 16 characters: remove the file, a new one is made"};
    return token;
  }
  unsigned char random[32];
  if (RAND_bytes(random, sizeof random) != 1) return Error{path + ": no random numbers for a token"};
  const std::string token = hex({reinterpret_cast<const char*>(random), sizeof random});
  TRY_VOID(write_file_atomic(path, token + "\n", 0640));
  return token;
}

struct OpenedIndex {
  Index index;
  std::vector<Note> notes;
};

Result<OpenedIndex> open_index(const std::string& state_dir) {
  const std::string path = index_path(state_dir);
  const std::string suspect = path + ".suspect";
  std::vector<Note> notes;
  std::string why;
  if (::access(suspect.c_str(), F_OK) == 0) {
    why = "it was found corrupt while running";
  } else {
    auto index = Index::open(path);
    if (index) return OpenedIndex{std::move(index).value(), std::move(notes)};
    if (index.error().code != EBADMSG) return index.error();
    why = index.error().message;
  }
  const std::string aside = TRY(set_index_aside(path));
  if (::unlink(suspect.c_str()) != 0 && errno != ENOENT) return errno_error(suspect);
  notes.push_back({true, why + ": set aside as " + aside + ", made again from the segments; nothing stored is lost"});
  return OpenedIndex{TRY(Index::open(path)), std::move(notes)};
}

// The index says that more was stored than there is: what was acknowledged is gone, by a disk or by a hand.
Result<void> tell_rolled_back(State& state, const std::string& state_dir, Position end) {
  if (state.index.position() <= end) return {};
  IndexReader reader = TRY(IndexReader::open(index_path(state_dir)));
  state.notes.push_back({true, "the segments end before what the index has: evidence that was stored is missing"});
  const std::vector<IndexReader::Beyond> missing = TRY(reader.beyond(end));
  for (const IndexReader::Beyond& gone : missing) {
    const std::string lane(lane_name(gone.lane));
    state.alerts.push_back(integrity_alert(
        "Evidence rolled back", Severity::critical, {gone.node, gone.lane, gone.boot, gone.first_seq},
        Verdict::rolled_back,
        "Evidence rolled back: node " + gone.node + ", lane " + lane + ", seq " + std::to_string(gone.first_seq) +
            " to " + std::to_string(gone.last_seq) + " (" + std::to_string(gone.batches) +
            " batches) were stored and acknowledged, and are no longer in the segments",
        wall_now_ns()));
  }
  state.store.skip_past(state.index.position().segment);
  return {};
}

}  // namespace

std::string index_path(const std::string& state_dir) { return state_dir + "/index.sqlite"; }
std::string commands_path(const std::string& state_dir) { return state_dir + "/commands.sqlite"; }
std::string segments_path(const std::string& state_dir) { return state_dir + "/segments"; }

void suspect_index(const std::string& state_dir) {
  // A second failure here changes nothing: the next start's own check finds it, only later.
  (void)write_file_atomic(index_path(state_dir) + ".suspect", "", 0640);
}

Result<State> open_state(const Config& config) {
  const std::string& dir = config.state_dir;
  TRY_VOID(make_dirs(dir, 0750));
  Fd lock = TRY(lock_folder(dir));
  PrivateKey key = TRY(PrivateKey::load_or_create(dir + "/key"));
  TRY_VOID(write_file_atomic(dir + "/key.pub", key.public_key().to_hex() + "\n", 0644));
  std::string token = TRY(load_or_make_token(config.token_path()));
  Registry registry = TRY(Registry::open({dir + "/nodes.toml", config.nodes.keys_file, config.nodes.trust_first}));

  StoreReport report;
  Store store = TRY(Store::open(segments_path(dir), {config.store.segment_bytes, config.store.min_free_bytes}, report));
  OpenedIndex opened = TRY(open_index(dir));
  State state{std::move(lock),
              std::move(key),
              std::move(token),
              std::move(registry),
              std::move(store),
              std::move(opened.index),
              {},
              std::move(opened.notes),
              {}};
  if (report.cut_bytes > 0)
    state.notes.push_back({true, "segment " + std::to_string(report.cut_at.segment) + ": torn tail of " +
                                     std::to_string(report.cut_bytes) + " bytes cut off at " +
                                     std::to_string(report.cut_at.offset) + ", kept as " + report.kept_as});
  TRY_VOID(tell_rolled_back(state, dir, state.store.end()));
  const CaughtUp caught = TRY(catch_up(state.index, segments_path(dir), state.registry.keys(), [](uint64_t) {}));
  if (caught.batches + caught.findings > 0)
    state.notes.push_back({false, "index caught up with the segments: " + std::to_string(caught.batches) +
                                      " batches, " + std::to_string(caught.alerts) + " alerts, " +
                                      std::to_string(caught.findings) + " findings"});
  if (caught.skipped > 0)
    state.notes.push_back({true, std::to_string(caught.skipped) + " records could not be indexed, the first: " +
                                     caught.first_skipped + "; see shrike verify"});
  IndexReader reader = TRY(IndexReader::open(index_path(dir)));
  state.nodes = TRY(reader.nodes());
  return state;
}

}  // namespace shrike::collector
