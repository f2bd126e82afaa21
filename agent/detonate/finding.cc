#include "agent/detonate/finding.h"

#include "scoring/rules/engine.h"

namespace shrike::detonate {

void tell(std::vector<Alert>& alerts, const Finding& finding, const Event& event, std::string message, Fields fields) {
  Alert alert = scoring::alert_about(event);
  alert.rule = finding.rule;
  alert.source = AlertSource::sandbox;
  alert.severity = finding.severity;
  alert.risk = finding.risk;
  alert.confidence = finding.confidence;
  if (*finding.attack != '\0') alert.attack = {finding.attack};
  alert.message = std::move(message);
  alert.fields = std::move(fields);
  alerts.push_back(std::move(alert));
}

std::string_view program_of(const Event& event) {
  return event.process != nullptr && !event.process->exe.empty() ? std::string_view(event.process->exe)
                                                                 : event.task.name();
}

}  // namespace shrike::detonate
