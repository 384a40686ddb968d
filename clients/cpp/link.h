// One socket from the attempt to connect it to its end: it knows bytes, and no commands. A new
// attempt is a new Link. What is appended to the output in one turn of the loop leaves in one
// write.
//
// A shared pointer, which its own handlers hold as well; the thread of its io_context only.

#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "clients/cpp/input_buffer.h"
#include "clients/cpp/options.h"

namespace chorale::client {

class Link : public std::enable_shared_from_this<Link> {
 public:
  // Called from the loop, never from within a call to the Link. It must stay alive until Close().
  class Owner {
   public:
    virtual void OnConnected() = 0;
    // Something arrived: consumes what it can of link.input() and returns how many unread bytes
    // there must be before it can get further. May Close().
    virtual size_t OnInput(Link& link) = 0;
    // The connection ended, or there was none. Once, and nothing follows it.
    virtual void OnEnd(const boost::system::error_code& error) = 0;

   protected:
    ~Owner() = default;
  };

  Link(boost::asio::io_context& io, Owner& owner);

  void Connect(const Address& address);
  // The owner hears no more of it. The buffers stay as they are.
  void Close();

  InputBuffer& input() { return input_; }

  // Append to it what is to be sent, then FlushLater().
  std::string& output() { return output_; }
  void FlushLater();

  // Places in the stream of bytes since the start: the end of the output, and what of it the kernel
  // has taken.
  uint64_t appended() const { return dropped_ + output_.size(); }
  uint64_t written() const { return dropped_ + sent_; }
  // Bytes between two places that were not written.
  std::string_view Unwritten(uint64_t begin, uint64_t end) const;

 private:
  using Protocol = boost::asio::generic::stream_protocol;

  void Resolve(const Address& address);
  void ConnectNext(const boost::system::error_code& last_error);
  void Begin();
  void Read(size_t wanted);
  void OnRead(const boost::system::error_code& error, size_t bytes);
  void Flush();
  void DropSent();
  void WaitForRoom();
  void End(const boost::system::error_code& error);

  boost::asio::io_context& io_;
  Owner* owner_;  // null once closed
  boost::asio::ip::tcp::resolver resolver_;
  Protocol::socket socket_;
  std::vector<Protocol::endpoint> endpoints_;  // still to be tried, the next one last

  InputBuffer input_;
  std::string output_;
  size_t sent_ = 0;       // bytes at the front of output_ that were written
  uint64_t dropped_ = 0;  // bytes that were written and are no longer in output_

  bool connected_ = false;
  bool in_turn_ = false;  // the owner is being called, and a flush follows
  bool flush_posted_ = false;
  bool waiting_for_room_ = false;
  bool broken_ = false;  // nothing can be written any more; reading will find the end
};

}  // namespace chorale::client
