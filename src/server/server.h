// The HTTP server: everything that agents, SDKs and editors speak, in front of the models of a manager.
//
//   ModelManager models(stored_models(…), …);
//   Server server(options, models);   // listens
//   server.run();                     // until a signal
#pragma once

#include "server/service.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace glimt {

class Server {
 public:
  // Listens, but accepts nothing yet. Throws invalid_request, not_found and bad_file for options, files and rights that
  // do not work, each naming the flag or the file; also invalid_request for a host beyond loopback without keys.
  Server(const ServerOptions& options, ModelManager& models);
  ~Server();

  // Serves until stopper() is called or, with `signals`, SIGTERM or SIGINT; then lets the answers that run end, for Timeouts::drain
  // at most. The thread that calls it is the I/O thread.
  void run(bool signals);

  // Ends run() as SIGTERM does. To be called from any thread, also when the server is gone.
  std::function<void()> stopper();

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:11434"
  Service& service();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glimt
