// A piece of output that several connections share: encoded once, sent to all, freed with the last.

#pragma once

#include <memory>
#include <string>

namespace chorale {

using Frame = std::shared_ptr<const std::string>;

}  // namespace chorale
