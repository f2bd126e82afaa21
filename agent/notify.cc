#include "agent/notify.h"

#include <systemd/sd-daemon.h>
#include <time.h>

namespace shrike::agent {

ServiceManager::ServiceManager() {
  uint64_t allowed_us = 0;
  if (sd_watchdog_enabled(0, &allowed_us) > 0) period_ = std::chrono::microseconds(allowed_us / 2);
}

void ServiceManager::ready(const std::string& status) const { sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }

void ServiceManager::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto us = static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us)).c_str());
}

void ServiceManager::stopping(const std::string& status) const {
  sd_notify(0, ("STOPPING=1\nSTATUS=" + status).c_str());
}

void ServiceManager::status(const std::string& status) const { sd_notify(0, ("STATUS=" + status).c_str()); }

void ServiceManager::alive() const { sd_notify(0, "WATCHDOG=1"); }

}  // namespace shrike::agent
