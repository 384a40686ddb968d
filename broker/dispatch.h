// From a parsed command to its reply: look-up, the gate, key locks, Call.

#pragma once

#include <string>
#include <string_view>

#include "broker/client.h"
#include "broker/command.h"

namespace chorale {

class Connection;
class Server;

// Runs one command of a client, or queues it between MULTI and EXEC. Writes exactly one reply,
// unless the client was blocked. On the client's thread.
void Dispatch(Connection& connection, Arguments args, ReplyWriter& reply);

// Runs the handler: the one place where statistics, slow log and monitors see a command. The
// context's token holds the command's keys.
void Call(CommandContext& context);

// Whether the command has one of these flags, or, if it is EXEC, one that is queued for it.
[[nodiscard]] bool RunsAny(uint32_t flags, const Command& command, const Client& client);

// The reply to a command that writes while nothing can be written.
[[nodiscard]] std::string DiskError(Server& server);

// The shards that `command` needs.
[[nodiscard]] ShardMask ShardsFor(const Command& command, Arguments args);

// The gate's answer for an unknown command, in Redis's words.
void WriteUnknownCommand(Arguments args, ReplyWriter& reply);
void WriteUnknownSubcommand(Arguments args, ReplyWriter& reply);
void WriteWrongArity(const Command& command, ReplyWriter& reply);

}  // namespace chorale
