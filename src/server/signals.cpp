#include "server/signals.h"

#include <unistd.h>

#include <csignal>
#include <utility>

namespace glimt {

Signals::Signals(boost::asio::io_context& io, std::function<void()> stop, std::function<void()> reload)
    : signals_(io, SIGTERM, SIGINT, SIGHUP), stop_(std::move(stop)), reload_(std::move(reload)) {
  wait();
}

void Signals::cancel() {
  boost::system::error_code ignored;
  signals_.cancel(ignored);
}

void Signals::wait() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload_();
    } else if (stopping_) {
      ::_exit(0);  // at once: models that are being loaded would keep their threads for minutes
    } else {
      stopping_ = true;
      stop_();
    }
    wait();
  });
}

}  // namespace glimt
