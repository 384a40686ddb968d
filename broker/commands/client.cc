#include "broker/command.h"

namespace chorale {

std::span<const Command> ClientCommands() { return {}; }

}  // namespace chorale
