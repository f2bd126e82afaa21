// shrike-collector: options, configuration, signals.

#include <poll.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "collector/collector.h"
#include "collector/keys_file.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/wire/keys.h"

namespace {

using namespace shrike;
using collector::Config;

struct Flags {
  std::string config_file = "/etc/shrike/collector.toml";
  std::string state_dir, nats_url, listen, log_level;
  bool trust_first = false, check = false, print_identity = false;
};

void set_up_log(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("collector");
  // Under systemd the journal has its own clock; "<4>" is how it learns the level.
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  logger->set_pattern(journal ? "%l: %v" : "%Y-%m-%dT%H:%M:%S.%eZ %l: %v", spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(logger);
  spdlog::set_level(spdlog::level::from_str(level));
}

Result<Config> configuration(const Flags& flags, bool file_named) {
  Config config;
  auto loaded = collector::load_config(flags.config_file);
  if (loaded) {
    config = std::move(loaded).value();
  } else if (file_named || loaded.error().code != ENOENT) {
    return loaded.error();
  }
  if (!flags.state_dir.empty()) config.state_dir = std::filesystem::absolute(flags.state_dir).lexically_normal();
  if (!flags.nats_url.empty()) config.nats.url = flags.nats_url;
  if (!flags.listen.empty()) config.api.listen = flags.listen;
  if (!flags.log_level.empty()) config.log.level = flags.log_level;
  if (flags.trust_first) config.nodes.trust_first = true;
  TRY_VOID(collector::check_config(config));
  return config;
}

// Made by root before the service first ran: the service's user must be able to read them.
Result<void> hand_over(const std::string& state_dir, const std::vector<std::string>& files) {
  struct stat folder {};
  if (::stat(state_dir.c_str(), &folder) != 0) return errno_error(state_dir);
  if (::geteuid() != 0 || folder.st_uid == 0) return {};
  for (const std::string& file : files)
    if (::lchown(file.c_str(), folder.st_uid, folder.st_gid) != 0) return errno_error(file);
  return {};
}

Result<void> print_identity(const Config& config) {
  TRY_VOID(make_dirs(config.state_dir, 0750));
  const PrivateKey key = TRY(PrivateKey::load_or_create(config.state_dir + "/key"));
  TRY_VOID(write_file_atomic(config.state_dir + "/key.pub", key.public_key().to_hex() + "\n", 0644));
  const std::string seed =
      config.nats.nkey_seed_file.empty() ? config.state_dir + "/nkey.seed" : config.nats.nkey_seed_file;
  if (!std::filesystem::exists(seed))
    TRY_VOID(write_file_atomic(seed, PrivateKey::generate().nkey_seed() + "\n", 0600));
  const PrivateKey nkey = TRY(PrivateKey::load_nkey(seed));
  TRY_VOID(hand_over(config.state_dir, {config.state_dir + "/key", config.state_dir + "/key.pub", seed}));
  std::printf("collector %s\nnkey %s\nkey %s\n", config.name.c_str(), nkey.public_key().nkey().c_str(),
              key.public_key().to_hex().c_str());
  return {};
}

int serve(const Config& config) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  // Before any thread is made, so that all of them leave these signals to the descriptor.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const Fd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC));

  auto started = collector::Collector::start(config);
  if (!started) {
    spdlog::error("{}", started.error().message);
    return 1;
  }
  collector::Collector& collector = **started;
  spdlog::info("started: state in {}, API at {}, NATS at {}", config.state_dir, collector.api_address(),
               config.nats.url);
  sd_notifyf(0, "READY=1\nSTATUS=%s, API at %s", collector.status().c_str(), collector.api_address().c_str());
  bool healthy = true;
  std::string last_status;
  uint64_t next_tick = boot_now_ns();
  for (bool going = true; going && healthy;) {
    pollfd ready{signal_fd.get(), POLLIN, 0};
    const uint64_t now = boot_now_ns();
    const int wait_ms = now >= next_tick ? 0 : static_cast<int>((next_tick - now) / 1'000'000) + 1;
    if (::poll(&ready, 1, wait_ms) > 0) {
      signalfd_siginfo info{};
      if (::read(signal_fd.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
          sd_notify(0, "RELOADING=1");
          collector.reload();
          sd_notify(0, "READY=1");
        } else {
          going = false;
        }
      }
    }
    if (boot_now_ns() < next_tick) continue;
    next_tick = boot_now_ns() + 1'000'000'000;
    healthy = collector.tick();
    sd_notify(0, "WATCHDOG=1");
    if (collector.status() != last_status) {
      last_status = collector.status();
      sd_notifyf(0, "STATUS=%s, API at %s", last_status.c_str(), collector.api_address().c_str());
    }
  }
  sd_notify(0, "STOPPING=1");
  spdlog::info("stopping");
  collector.stop();
  spdlog::info("stopped");
  return healthy ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"Verifies, keeps and serves what shrike agents send.", "shrike-collector"};
  app.set_version_flag("--version", std::string("shrike-collector ") + SHRIKE_VERSION);
  auto* file = app.add_option("--config", flags.config_file, "Configuration file")->capture_default_str();
  app.add_option("--state-dir", flags.state_dir, "Instead of state_dir");
  app.add_option("--nats", flags.nats_url, "Instead of nats.url");
  app.add_option("--listen", flags.listen, "Instead of api.listen");
  app.add_option("--log-level", flags.log_level, "Instead of log.level: debug, info, warning, error");
  app.add_flag("--trust-first", flags.trust_first, "Trust the first key an unknown node signs with");
  auto* check = app.add_flag("--check-config", flags.check, "Check the configuration and stop");
  app.add_flag("--print-identity", flags.print_identity,
               "Print NATS key and signing key (made if there are none), then stop")
      ->excludes(check);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11's own codes are over 100; 2 is what usage errors are everywhere else.
    return app.exit(error) == 0 ? 0 : 2;
  }
  umask(0027);
  auto config = configuration(flags, file->count() > 0);
  if (!config) {
    std::fprintf(stderr, "shrike-collector: %s\n", config.error().message.c_str());
    return 2;
  }
  if (flags.check) {
    if (!config->nodes.keys_file.empty()) {
      if (auto keys = collector::load_keys(config->nodes.keys_file); !keys) {
        std::fprintf(stderr, "shrike-collector: %s\n", keys.error().message.c_str());
        return 2;
      }
    }
    std::printf("%s: nothing wrong\n", flags.config_file.c_str());
    return 0;
  }
  if (flags.print_identity) {
    if (auto printed = print_identity(*config); !printed) {
      std::fprintf(stderr, "shrike-collector: %s\n", printed.error().message.c_str());
      return 1;
    }
    return 0;
  }
  set_up_log(config->log.level);
  return serve(*config);
}
