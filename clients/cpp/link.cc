#include "clients/cpp/link.h"

#include <sys/un.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace chorale::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// An output buffer that grew beyond this is given back when it is empty, and its front is dropped
// when it is that long.
constexpr size_t kLargestKeptOutput = 1 << 20;

}  // namespace

std::string Address::ToString() const {
  if (!unix_path.empty()) return unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Link::Link(asio::io_context& io, Owner& owner)
    : io_(io), owner_(&owner), resolver_(io), socket_(io) {}

// ---- connecting ----

void Link::Connect(const Address& address) {
  error_code error;
  if (!address.unix_path.empty()) {
    if (address.unix_path.size() < sizeof(sockaddr_un::sun_path)) {
      endpoints_.emplace_back(asio::local::stream_protocol::endpoint(address.unix_path));
    } else {
      error = asio::error::name_too_long;
    }
  } else if (const auto numeric = asio::ip::make_address(address.host, error); !error) {
    endpoints_.emplace_back(tcp::endpoint(numeric, address.port));
  } else {
    return Resolve(address);
  }
  asio::post(io_, [self = shared_from_this(), error] { self->ConnectNext(error); });
}

void Link::Resolve(const Address& address) {
  resolver_.async_resolve(address.host, std::to_string(address.port),
                          [self = shared_from_this()](const error_code& error,
                                                      const tcp::resolver::results_type& found) {
                            for (const auto& entry : found)
                              self->endpoints_.emplace_back(entry.endpoint());
                            std::reverse(self->endpoints_.begin(), self->endpoints_.end());
                            self->ConnectNext(error);
                          });
}

void Link::ConnectNext(const error_code& last_error) {
  if (owner_ == nullptr) return;
  if (endpoints_.empty()) return End(last_error);
  error_code ignored;
  socket_.close(ignored);
  const Protocol::endpoint endpoint = endpoints_.back();
  endpoints_.pop_back();
  socket_.async_connect(endpoint, [self = shared_from_this()](const error_code& error) {
    if (self->owner_ == nullptr) return;
    if (error) return self->ConnectNext(error);
    self->Begin();
  });
}

void Link::Begin() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);  // fails for a Unix socket, which has no delay
  connected_ = true;
  in_turn_ = true;
  owner_->OnConnected();
  in_turn_ = false;
  if (owner_ == nullptr) return;
  Flush();
  Read(1);
}

void Link::End(const error_code& error) {
  Owner* const owner = owner_;
  Close();
  owner->OnEnd(error);
}

void Link::Close() {
  owner_ = nullptr;
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
}

// ---- reading ----

void Link::Read(size_t wanted) {
  input_.Prepare(wanted);
  socket_.async_read_some(asio::buffer(input_.tail(), input_.room()),
                          [self = shared_from_this()](const error_code& error, size_t bytes) {
                            self->OnRead(error, bytes);
                          });
}

void Link::OnRead(const error_code& error, size_t bytes) {
  if (owner_ == nullptr) return;
  if (error) return End(error);
  input_.Commit(bytes);
  in_turn_ = true;
  const size_t wanted = owner_->OnInput(*this);
  in_turn_ = false;
  if (owner_ == nullptr) return;
  Flush();
  Read(wanted);
}

// ---- writing ----

void Link::FlushLater() {
  if (in_turn_ || waiting_for_room_ || std::exchange(flush_posted_, true)) return;
  asio::post(io_, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->Flush();
  });
}

void Link::Flush() {
  if (owner_ == nullptr || !connected_ || waiting_for_room_ || broken_) return;
  if (sent_ == output_.size()) return;
  error_code error;
  sent_ += socket_.write_some(asio::buffer(output_.data() + sent_, output_.size() - sent_), error);
  if (error && error != asio::error::would_block && error != asio::error::try_again) {
    // The broker may have said why before it hung up.
    broken_ = true;
    return;
  }
  DropSent();
  if (!output_.empty()) WaitForRoom();
}

void Link::DropSent() {
  if (sent_ == output_.size()) {
    if (output_.capacity() > kLargestKeptOutput) output_ = {};
    output_.clear();
  } else if (sent_ > kLargestKeptOutput && sent_ > output_.size() / 2) {
    output_.erase(0, sent_);
  } else {
    return;
  }
  dropped_ += std::exchange(sent_, 0);
}

void Link::WaitForRoom() {
  waiting_for_room_ = true;
  socket_.async_wait(Protocol::socket::wait_write,
                     [self = shared_from_this()](const error_code& error) {
                       self->waiting_for_room_ = false;
                       if (!error) self->Flush();
                     });
}

std::string_view Link::Unwritten(uint64_t begin, uint64_t end) const {
  return std::string_view(output_).substr(begin - dropped_, end - begin);
}

}  // namespace chorale::client
