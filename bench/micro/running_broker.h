// A broker in this process, with its threads, in memory, on a Unix socket in a directory of its
// own; and the clients that the benchmarks bring to it.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/micro/wire.h"
#include "broker/config.h"
#include "broker/io_thread.h"
#include "broker/server.h"
#include "clients/cpp/reply_parser.h"

namespace chorale {
class Connection;
}

namespace chorale::bench {

class RunningBroker {
 public:
  explicit RunningBroker(int threads);
  RunningBroker(const RunningBroker&) = delete;
  RunningBroker& operator=(const RunningBroker&) = delete;
  ~RunningBroker();

  // Why it does not run; empty if it does.
  const std::string& error() const { return error_; }
  Server& server() { return *server_; }
  const std::string& socket_path() const { return socket_path_; }
  // Runs `work` on the broker's first thread, as its own tasks run, and waits for its end.
  void OnThread(const std::function<void(IoThread&)>& work);

 private:
  std::string directory_;
  std::string socket_path_;
  std::string error_;
  Config config_;
  std::unique_ptr<Server> server_;
};

// A connection without a socket, whose commands are dispatched as if they had been read. Made, used
// and destroyed on the thread.
class SocketlessClient {
 public:
  explicit SocketlessClient(IoThread& thread);
  SocketlessClient(const SocketlessClient&) = delete;
  SocketlessClient& operator=(const SocketlessClient&) = delete;
  ~SocketlessClient();

  Connection& connection() { return *connection_; }
  // Appends the reply to `replies`.
  void Run(const std::vector<std::string_view>& words, std::string& replies);

 private:
  const std::shared_ptr<Connection> connection_;
};

// A client at the other end of a socket, which blocks and which allocates nothing once its buffers
// have grown, so that what is allocated meanwhile is the broker's.
class SocketClient {
 public:
  explicit SocketClient(const std::string& path);
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;
  ~SocketClient();

  // False from then on if the broker has hung up, or has not answered for seconds.
  bool ok() const { return descriptor_ >= 0; }
  void Send(std::string_view bytes);
  // Waits for the next reply or push. Valid until the next call.
  client::Value Receive();
  // The same for a command that is sent now; its reply is no error, or the client is not ok().
  client::Value Execute(const Words& words);

 private:
  void Close();

  int descriptor_ = -1;
  client::ReplyParser parser_;
  size_t consumed_ = 0;  // of input_, with the reply that was given out
  size_t filled_ = 0;
  std::vector<char> input_;
};

}  // namespace chorale::bench
