// What signals do to a server: the first SIGTERM or SIGINT lets it end in order, the second at once; SIGHUP makes it
// read its certificate again.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <functional>

namespace glimt {

// Calls them on the I/O thread. Lives as long as it is to listen; then signals do what they did before.
class Signals {
 public:
  Signals(boost::asio::io_context& io, std::function<void()> stop, std::function<void()> reload);

  void cancel();  // so that the I/O thread can run out of work

 private:
  void wait();

  boost::asio::signal_set signals_;
  std::function<void()> stop_, reload_;
  bool stopping_ = false;
};

}  // namespace glimt
