#include "server/request_list.h"

namespace glimt {

std::shared_ptr<RequestProgress> RequestList::add(std::string id, std::string model, std::string path,
                                                  std::size_t prompt_tokens, RequestProgress::Clock::time_point came) {
  auto request =
      std::make_shared<RequestProgress>(std::move(id), std::move(model), std::move(path), prompt_tokens, came);
  const std::lock_guard lock(mutex_);
  requests_.remove_if([](const auto& other) { return other.expired(); });
  requests_.push_back(request);
  return request;
}

std::vector<std::shared_ptr<const RequestProgress>> RequestList::now() const {
  std::vector<std::shared_ptr<const RequestProgress>> all;
  const std::lock_guard lock(mutex_);
  for (const auto& request : requests_) {
    if (auto alive = request.lock()) all.push_back(std::move(alive));
  }
  return all;
}

std::size_t RequestList::place_of(const RequestProgress& request) const {
  std::size_t place = 0;
  const std::lock_guard lock(mutex_);
  for (const auto& listed : requests_) {
    const auto other = listed.lock();
    if (!other || other->model != request.model || other->phase != RequestProgress::Phase::queued) continue;
    ++place;
    if (other.get() == &request) break;
  }
  return place;
}

}  // namespace glimt
