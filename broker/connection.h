// One client's socket: reads commands, has them dispatched, sends replies.
//
// Life of a request: Read appends to the read buffer; Process parses and dispatches each command
// that is complete, replies gathering in the thread's reply buffer; one write sends them. What the
// socket does not take waits in the output queue.
//
// A connection belongs to one IoThread for life and is used on that thread only. Others hold
// ClientInfo and post to the thread.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/client.h"
#include "broker/config.h"
#include "broker/event_loop.h"
#include "broker/frame.h"
#include "broker/lease.h"
#include "broker/output_queue.h"
#include "broker/read_buffer.h"
#include "protocol/resp_parser.h"
#include "storage/waiter.h"

namespace chorale {

class IoThread;
class Server;

class Connection final : public std::enable_shared_from_this<Connection>,
                         private EventLoop::Watcher {
 public:
  // Takes the socket over, which does not block.
  Connection(IoThread& thread, int descriptor);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();

  Client& client() { return client_; }
  const Client& client() const { return client_; }
  IoThread& thread() { return thread_; }
  Server& server();

  // ---- called by commands, during Process ----
  // Closes once the replies written so far are sent; what else was received is dropped.
  void CloseAfterReply() { close_after_reply_ = true; }
  // A command has changed something that is in that round of the journal or in one before it.
  void NeedRound(uint64_t round) { needed_round_ = round; }
  // That of the client's last write; 0 if there was none.
  uint64_t needed_round() const { return needed_round_; }
  // The reply that is being written is sent whatever CLIENT REPLY says, because it is a push.
  void KeepReply() { keep_reply_ = true; }
  // The client waits: no further command of it runs until Unblock. `timeout_ms` 0 means for ever;
  // when it is over `on_timeout` is written.
  void Block(WaiterPointer waiter, int64_t timeout_ms, std::string on_timeout);
  // The client waits for other threads to get something done. What it has sent runs even if it
  // hangs up meanwhile.
  void Suspend();
  void Resume();
  // Suspends, and the command that runs now is dispatched again by Resume. It wrote no reply. Of a
  // client that hangs up meanwhile nothing runs: its command would come too late.
  void Postpone();
  bool suspended() const { return suspended_; }
  // Whether the client has hung up, as far as the kernel knows now.
  bool PeerIsGone() const;

  // ---- called by tasks on this thread ----
  // Ends a Block with its reply and goes on with what was received meanwhile. Takes the lease over,
  // unless the client is gone: then returns false.
  bool Unblock(std::string_view reply, std::unique_ptr<Lease>& lease);
  // Ends a Block early and writes `reply`. False when the client did not wait any more, or if a
  // script that runs past its time holds its keys: then it waits on.
  bool CancelBlock(std::string_view reply) { return TryCancelBlock(reply) == Cancel::kDone; }
  // CLIENT UNBLOCK without an error: as if the time were over.
  bool TimeOutBlock();
  // What is written then, of a client that waits with this waiter.
  void SetReplyOnTimeout(const Waiter* waiter, std::string_view reply) {
    if (waiter_.get() == waiter) on_timeout_ = reply;
  }
  // Appends output that the client did not ask for, and has it sent when the turn ends.
  void Deliver(const Frame& frame);
  void Deliver(std::string_view bytes);
  // The same, sent at once. Not while commands of the client run, whose replies would come later.
  void Push(std::string_view bytes);
  // Closes the connection of a client that missed something because its thread is too far behind.
  void DropAfterLoss();
  // Sends what was delivered in this turn.
  void FlushDelivered();
  // Sends what was held back for the disk and is there now; closes the client if it is not and will
  // not be. True if more is held back.
  bool ReleaseHeld();
  // Closes at once, or when the command that runs now is done; replies not sent yet are lost.
  void Close();
  // A graceful stop: sends what waits, then closes.
  void Finish();
  // Once a second: idle time-out, soft output limits, memory that an idle client does not need.
  void Tick(int64_t now_ms);

  bool closed() const { return closed_; }
  // Closed, or as soon as what has been written is sent: nothing else is sent any more.
  bool ending() const { return closed_ || dropping_ || close_after_reply_; }
  // How many bytes of its mailboxes' events the client may be sent now. 0 if it does not read what
  // it was sent: then the events wait until it does.
  size_t RoomForEvents();
  // Commands of the client are running.
  bool processing() const { return processing_; }
  bool blocked() const { return waiter_ != nullptr; }

  // ---- the lease of channels_redis consumers; see lease.h ----
  // The command that runs now was channels_redis's recovery script for `key`.
  void set_recovered_key(std::string_view key) { recovered_key_ = key; }
  // The key that the command before this one recovered; empty if it was another command.
  const std::string& recovered_before() const { return recovered_before_; }
  // What was popped stays with the client until its next command has run.
  void set_lease(std::unique_ptr<Lease> lease) { lease_ = std::move(lease); }
  // Postpones the command that runs now until every thread has run what its clients had sent. False
  // if that was done for this command before.
  bool PostponeUntilOthersAreRead();

 private:
  void OnReady(uint32_t events) override;
  // Has the loop tell of what the connection waits for now.
  void WatchSocket();
  [[nodiscard]] bool may_read() const;
  void Read();
  void OnEnd();
  // Runs the commands that are complete. Sends the replies.
  void Process();
  void ProcessBuffered(std::string& replies);
  bool ProcessBatch(std::string& replies);
  bool ExecuteAndConsume(Arguments args, size_t size, std::string& replies);
  bool may_execute() const { return !waiting() && !close_after_reply_ && !closed_ && !dropping_; }
  void Execute(Arguments args, std::string& replies);
  void HandleNeedMore(std::string& replies);
  bool OverQueryLimit(size_t bytes);
  void CloseIfDone();
  void Send(std::string_view bytes);
  // Before something is appended to the output: whether it must wait for the disk.
  void HoldForDisk();
  void SendLater();
  void DeliverWhatWaited();
  // Writes what may be sent, as far as the socket takes it.
  void Flush();
  bool OverOutputLimit();
  void CloseLater();
  void EndBlock();
  enum class Cancel : uint8_t { kDone, kServed, kBusy };
  Cancel TryCancelBlock(std::string_view reply);
  void SendAwaited(std::string_view reply);
  void NoteActivity(int64_t now_ms);
  void StartBlockTimer(int64_t timeout_ms);
  OutputLimit& output_limit();
  bool DropIdle(int64_t now_ms);
  bool waiting() const { return waiter_ != nullptr || suspended_; }
  // What the client has sent already will run, also if the client is gone.
  bool must_finish() const { return suspended_ && !postponed_; }

  IoThread& thread_;
  const int descriptor_;
  uint32_t watched_ = 0;  // what the loop tells of: EPOLLIN, EPOLLOUT
  RespParser parser_;
  ReadBuffer input_;
  OutputQueue output_;
  Client client_;

  WaiterPointer waiter_;
  std::string on_timeout_;
  std::optional<EventLoop::TimerId> block_timer_;
  std::unique_ptr<Lease> lease_;
  std::string recovered_key_, recovered_before_;
  bool others_were_read_ = false;  // before the command that runs now

  int64_t soft_limit_since_ms_ = 0;
  int64_t last_active_ms_ = 0;  // when bytes last came or went
  bool processing_ = false;
  uint64_t needed_round_ = 0;  // of the journal, for the client's last write
  bool awaits_disk_ = false;   // and the thread knows
  bool flush_pending_ = false;
  bool events_wait_ = false;  // for room in the output
  bool suspended_ = false;
  bool postponed_ = false;  // suspended, and the command at the front of the input has not run
  bool close_after_reply_ = false;
  bool keep_reply_ = false;
  bool dropping_ = false;  // about to be closed, whatever there is to send or to run
  bool ended_ = false;     // nothing more comes; closed once what came has run
  bool closed_ = false;
};

}  // namespace chorale
