#include "broker/command.h"

namespace chorale {

std::span<const Command> KeyCommands() { return {}; }

}  // namespace chorale
