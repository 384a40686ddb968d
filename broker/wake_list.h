// Mailboxes that got something from the commands of one thread's turn. Their owners are told when
// the turn ends: by then no lock is held and the sender has its reply. What goes to the sender
// itself leaves in the same write as the reply, and another thread is woken once, however many of
// the owners are its clients. One thread's.

#pragma once

#include <memory>
#include <string>
#include <vector>

namespace chorale {

class Connection;
class IoThread;
class MailboxDelivery;

class WakeList {
 public:
  explicit WakeList(IoThread& thread) : thread_(thread) {}

  // Around the commands of a client. Turns nest where a script serves the loop.
  void BeginTurn() { ++turns_; }
  void EndTurn() {
    --turns_;
    if (!waiting_.empty()) Tell();
  }
  bool in_turn() const { return turns_ > 0; }

  // Within a turn.
  void Add(std::shared_ptr<MailboxDelivery> delivery) { waiting_.push_back(std::move(delivery)); }
  // Appends to a client's replies what has come for the client itself.
  void AppendPushes(Connection& connection, std::string& replies) {
    if (!waiting_.empty()) TakeFor(connection, replies);
  }
  void Clear() { waiting_.clear(); }

 private:
  using List = std::vector<std::shared_ptr<MailboxDelivery>>;

  // Hands those that are wanted to take(), in their order; neither may add to the list.
  template <typename Wanted, typename Take>
  void TakeOut(Wanted wanted, Take take);
  void TakeFor(Connection& connection, std::string& replies);
  void Tell();

  IoThread& thread_;
  int turns_ = 0;
  List waiting_;
  List spare_;  // empty, with its room
};

}  // namespace chorale
