#include "agent/sequence_keeper.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "agent/sequence/fleet.h"
#include "common/base/file.h"
#include "common/wire/fleet_profiles.h"

namespace shrike::agent {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t look_every_ns = 10 * second_ns;
constexpr uint64_t save_every_ns = 60 * second_ns;
constexpr uint64_t save_unchanged_every_ns = 3600 * second_ns;  // when programs were last executed
constexpr uint64_t renew_every_ns = 3600 * second_ns;
// enum shrike_sequence_what has 1 to 3; this one is never the kernel's.
constexpr uint64_t shipped_profile = 4;

sequence::BookOptions book_options(const Config& config) {
  sequence::BookOptions options;
  options.file = config.state_dir + "/sequence";
  options.limits = config.sequence.limits;
  options.keep_ns = uint64_t{config.sequence.keep_days} * 86'400 * second_ns;
  options.find = sequence::program_at;
  return options;
}

std::string cgroup_root() {
  struct statfs fs {};
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
    if (::statfs(place, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) return place;
  return {};
}

constexpr size_t fleet_file_max = 96u << 20;
constexpr size_t key_file_max = 4096;

Result<PublicKey> collector_key(const std::string& path) {
  std::string text = TRY(read_file(path, key_file_max));
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  auto key = PublicKey::from_hex(text);
  if (!key) return key.error().in(path);
  return key;
}

std::vector<std::string> fleet_files(const Config& config) {
  std::vector<std::string> files = config.sequence.import;
  if (config.sequence.from_collector && ::access(fleet_file(config).c_str(), F_OK) == 0)
    files.push_back(fleet_file(config));
  return files;
}

std::string digest_of_files(const std::vector<std::string>& files) {
  std::string digests;
  for (const std::string& file : files)
    if (const auto bytes = read_file(file, fleet_file_max)) digests += as_bytes(sha256(*bytes));
  return digests;
}

uint64_t overflows(const probe::SequenceCounters& c) { return c.programs_full + c.table_full; }

probe::SequenceOptions options_of(const Config& config, std::vector<std::string>& warnings) {
  const auto& wanted = config.sequence;
  probe::SequenceOptions options;
  options.mode = wanted.mode == "learn"    ? probe::SequenceMode::learn
                 : wanted.mode == "detect" ? probe::SequenceMode::detect
                                           : probe::SequenceMode::off;
  options.sample = wanted.sample;
  options.learn_ns = uint64_t{wanted.learn_s} * second_ns;
  options.learn_calls = wanted.learn_calls;
  options.reports_per_s = wanted.reports_per_s;
  options.limits = wanted.limits;
  const std::string root = wanted.exclude_cgroups.empty() ? std::string() : cgroup_root();
  for (const std::string& path : wanted.exclude_cgroups) {
    struct stat st {};
    if (root.empty() || ::stat((root + path).c_str(), &st) != 0)
      warnings.push_back("sequence.exclude_cgroups: there is no " +
                         (root.empty() ? "cgroup v2 hierarchy" : root + path) + ": it is not left out");
    else
      options.excluded_cgroups.push_back(st.st_ino);
  }
  return options;
}

}  // namespace

std::string fleet_file(const Config& config) { return config.state_dir + "/fleet"; }

SequenceKeeper::SequenceKeeper(const Config& config, PrivateKey key)
    : config_(config), book_(book_options(config), std::move(key)) {}

SequenceKeeper::~SequenceKeeper() {
  if (writing_.valid()) writing_.wait();
}

probe::SequenceOptions SequenceKeeper::begin(uint64_t now_ns, std::vector<std::string>& warnings) {
  began_ns_ = now_ns;
  status_.mode = config_.sequence.mode;
  probe::SequenceOptions options = options_of(config_, warnings);
  if (options.mode == probe::SequenceMode::off) return options;
  if (auto loaded = book_.load(now_ns)) {
    options.known = std::move(loaded).value();
  } else {
    warnings.push_back("the profiles of sequence scoring are refused, learning starts afresh: " +
                       loaded.error().message);
  }
  began_empty_ = options.known.empty();
  const std::lock_guard lock(book_lock_);
  import(config_, options, now_ns, warnings);
  return options;
}

// A file that cannot be used is said so, and does not keep the others, or the agent, from working.
void SequenceKeeper::import(const Config& config, probe::SequenceOptions& options, uint64_t now_ns,
                            std::vector<std::string>& warnings) {
  const auto files = fleet_files(config);
  fleet_digest_ = digest_of_files(files);
  imported_ = 0;
  if (files.empty()) return;
  const auto key = collector_key(config.collector.public_key_file);
  if (!key) {
    warnings.push_back("sequence.import: nothing is taken in, the collector's key is needed to check it: " +
                       key.error().message);
    return;
  }
  for (const std::string& file : files) {
    const auto read = [&]() -> Result<std::vector<SequenceProfile>> {
      const std::string bytes = TRY(read_file(file, fleet_file_max));
      auto opened = open_profiles(bytes, *key, fleet_limits, ProfileSeal::fleet);
      if (!opened) return opened.error().in(file);
      return opened;
    };
    const auto fleet = read();
    if (!fleet) {
      warnings.push_back("sequence.import: not taken in: " + fleet.error().message);
      continue;
    }
    const auto taken = sequence::take_fleet(options.known, *fleet, sequence::program_at, options.limits, now_ns);
    imported_ += taken.programs;
    if (taken.no_room > 0)
      warnings.push_back("sequence.import: " + file + ": " + std::to_string(taken.no_room) +
                         " programs of this host were left out, there is no room for them: see max_programs and "
                         "max_ngrams");
  }
  for (const SequenceProfile& p : options.known) book_.saw(p.id, p.path);
}

bool SequenceKeeper::fleet_changed(const Config& config) {
  if (config.sequence.mode == "off") return false;
  const std::string now = digest_of_files(fleet_files(config));
  const std::lock_guard lock(book_lock_);
  return now != fleet_digest_;
}

sequence::SequenceAlerts SequenceKeeper::alerts(uint64_t now_ns) {
  sequence::SequenceAlerts::Options options;
  options.novel_programs = config_.sequence.mode == "detect";
  if (began_empty_) options.quiet_until_ns = now_ns + uint64_t{config_.sequence.learn_s} * second_ns;
  options.saw = [this](const ProgramId& id, std::string_view path) {
    const std::lock_guard lock(book_lock_);
    book_.saw(id, path);
  };
  return sequence::SequenceAlerts(std::move(options));
}

probe::SequenceOptions SequenceKeeper::renewal(const Config& config, std::vector<SequenceProfile> known,
                                               uint64_t now_ns, std::vector<std::string>& warnings) {
  const std::lock_guard lock(book_lock_);
  probe::SequenceOptions options = options_of(config, warnings);
  if (options.mode == probe::SequenceMode::off) return options;
  if (known.empty()) {  // it was off until now
    if (auto loaded = book_.load(now_ns))
      known = std::move(loaded).value();
    else
      warnings.push_back("the profiles of sequence scoring are refused, learning starts afresh: " +
                         loaded.error().message);
  }
  options.known = book_.tidied(std::move(known), now_ns);
  // Where there is no room, what was not executed for longest makes some: learned programs last.
  const auto room = [](size_t limit) { return limit - limit / 4; };
  std::stable_sort(options.known.begin(), options.known.end(),
                   [](const SequenceProfile& a, const SequenceProfile& b) { return a.settled && !b.settled; });
  if (options.known.size() > room(options.limits.programs)) options.known.resize(room(options.limits.programs));
  size_t ngrams = 0;
  for (size_t i = 0; i < options.known.size(); ++i) {
    ngrams += options.known[i].ngrams.size();
    if (ngrams > room(options.limits.ngrams)) options.known.resize(i);
  }
  import(config, options, now_ns, warnings);
  return options;
}

void SequenceKeeper::renewed(const Config& config, uint64_t now_ns) {
  config_ = config;
  status_.mode = config.sequence.mode;
  renewed_ns_ = now_ns;
  saved_learned_ = 0;
}

void SequenceKeeper::count(const std::vector<SequenceProfile>& profiles) {
  status_.programs = profiles.size();
  status_.settled = status_.full = status_.ngrams = 0;
  for (const SequenceProfile& p : profiles) {
    status_.settled += p.settled ? 1 : 0;
    status_.full += p.full ? 1 : 0;
    status_.ngrams += p.ngrams.size();
  }
}

// In the telemetry lane, and so signed and stored like any event: what a collector, or another node, merges.
void SequenceKeeper::ship(const std::vector<SequenceProfile>& profiles, Sink& sink, uint64_t now_ns) {
  for (const SequenceProfile& p : book_.changed(profiles)) {
    const std::string bytes = encode_profiles({&p, 1});
    Event event;
    event.kind = EventKind::sequence;
    event.time_ns = now_ns;
    event.arg[0] = shipped_profile;
    event.arg[3] = p.ngrams.size();
    event.arg[5] = p.calls;
    event.object.inode = p.id.inode;
    event.object.device = p.id.device;
    event.object.ctime_ns = p.id.ctime_ns;
    event.object.mtime_ns = p.mtime_ns;
    event.object.uid = p.uid;
    event.real_path = p.path;
    event.path2.text = bytes;
    sink.event(event);
    ++status_.shipped;
  }
}

std::vector<std::string> SequenceKeeper::tick(const probe::KernelSource& source, Sink& sink, uint64_t now_ns) {
  std::vector<std::string> words;
  if (writing_.valid() && writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    if (auto written = writing_.get(); written.ok()) {
      ++status_.saves;
    } else {
      ++status_.save_errors;
      words.push_back("the profiles of sequence scoring could not be saved: " + written.error().message);
    }
  }
  status_.running = source.features().sequence;
  if (!status_.running) return words;
  status_.kernel = source.sequence_counters();
  if (now_ns < next_look_ns_) return words;
  next_look_ns_ = now_ns + look_every_ns;
  const auto profiles = source.sequence_profiles();
  count(profiles);
  const std::lock_guard lock(book_lock_);
  status_.imported = imported_;
  ship(profiles, sink, now_ns);
  const bool is_new = status_.kernel.learned != saved_learned_;
  const uint64_t every = is_new ? save_every_ns : save_unchanged_every_ns;
  if (writing_.valid() || now_ns < std::max(saved_ns_, began_ns_) + every) return words;
  saved_ns_ = now_ns;
  saved_learned_ = status_.kernel.learned;
  writing_ = std::async(std::launch::async, [file = book_.file(), bytes = book_.bytes_of(profiles, now_ns)] {
    return write_file_atomic(file, bytes, 0600);
  });
  return words;
}

bool SequenceKeeper::wants_renewal(uint64_t now_ns) {
  if (!status_.running || overflows(status_.kernel) == 0 || now_ns < std::max(renewed_ns_, began_ns_) + renew_every_ns)
    return false;
  renewed_ns_ = now_ns;  // also when it does not come to it
  return true;
}

Result<void> SequenceKeeper::end(const probe::KernelSource& source, uint64_t now_ns) {
  if (writing_.valid()) (void)writing_.get();
  if (!source.features().sequence) return {};
  auto saved = book_.save(source.sequence_profiles(), now_ns);
  return saved.ok() ? Result<void>() : saved.error();
}

}  // namespace shrike::agent
