// Compiles Asio's implementation once for every program that uses the client.
#include <boost/asio/impl/src.hpp>
