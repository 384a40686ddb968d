#include "broker/command.h"

namespace chorale {

std::span<const Command> TransactionCommands() { return {}; }

}  // namespace chorale
