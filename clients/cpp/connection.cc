#include "clients/cpp/connection.h"

#include <utility>

#include "clients/cpp/connection_core.h"

namespace chorale::client {

Connection::Connection(boost::asio::io_context& io, Options options, Events events)
    : core_(std::make_shared<ConnectionCore>(io, std::move(options), std::move(events))) {}

Connection::~Connection() { core_->Abandon(); }

void Connection::Start() { core_->Start(); }

void Connection::Execute(std::span<const Word> words, ReplyHandler handler) {
  core_->Execute(words, false, std::move(handler));
}

void Connection::ExecuteEncoded(std::string_view command, ReplyHandler handler) {
  core_->ExecuteEncoded(command, std::move(handler));
}

void Connection::ExecuteNow(std::initializer_list<Word> words, ReplyHandler handler) {
  core_->Execute(std::span(words.begin(), words.size()), true, std::move(handler));
}

void Connection::Finish(Options::Duration limit, std::function<void()> closed) {
  core_->Finish(limit, std::move(closed));
}

void Connection::Close() { core_->Close(); }

bool Connection::ready() const { return core_->ready(); }
size_t Connection::commands() const { return core_->commands(); }
size_t Connection::unsent_bytes() const { return core_->unsent_bytes(); }

void Opening::Execute(std::span<const Word> words, ReplyHandler handler) const {
  if (const auto core = core_.lock()) {
    core->ExecuteOpening(attempt_, words, std::move(handler));
  }
}

void Opening::Send(std::initializer_list<Word> words) const {
  if (const auto core = core_.lock()) {
    core->SendOpening(attempt_, std::span(words.begin(), words.size()));
  }
}

void Opening::Done() const {
  if (const auto core = core_.lock()) core->Done(attempt_);
}

void Opening::Fail(std::string_view reason) const {
  if (const auto core = core_.lock()) core->Fail(attempt_, reason);
}

}  // namespace chorale::client
