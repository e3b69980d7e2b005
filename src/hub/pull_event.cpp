#include "hub/pull_event.h"

namespace glimt {

json::object pull_event_json(const PullEvent& event) {
  if (event.status == "pulling") return {};
  json::object line{{"status", event.status}};
  if (!event.file.empty()) {
    line["digest"] = event.digest;
    line["total"] = event.total;
    line["completed"] = event.completed;
    line["file"] = event.file;
  }
  if (event.status == "waiting") line["seconds"] = event.wait_seconds;
  return line;
}

}  // namespace glimt
