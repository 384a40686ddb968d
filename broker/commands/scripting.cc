#include "broker/command.h"

namespace chorale {

std::span<const Command> ScriptingCommands() { return {}; }

}  // namespace chorale
