#pragma once

#include <chrono>
#include <string>

namespace shrike::agent {

/// What the agent tells its service manager (sd_notify(3)); nothing happens when there is none.
class ServiceManager {
 public:
  ServiceManager();
  void ready(const std::string& status) const;
  void reloading() const;
  void stopping(const std::string& status) const;
  void status(const std::string& status) const;
  /// Says that the loop is alive. Called by the loop itself at least as often as `watchdog_period`.
  void alive() const;
  /// Half of what the manager allows; zero when it does not watch.
  [[nodiscard]] std::chrono::microseconds watchdog_period() const { return period_; }

 private:
  std::chrono::microseconds period_{0};
};

}  // namespace shrike::agent
