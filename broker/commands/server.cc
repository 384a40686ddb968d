#include "broker/command.h"

namespace chorale {

std::span<const Command> ServerCommands() { return {}; }

}  // namespace chorale
