#include "broker/command.h"

namespace chorale {

std::span<const Command> SetCommands() { return {}; }

}  // namespace chorale
