#include "broker/scripting/sha1.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

namespace chorale {

Sha1Text Sha1(std::string_view bytes) {
  // Looking an algorithm up costs more than hashing a short script: both live as long as they can.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char digest[EVP_MAX_MD_SIZE];
  if (EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest, nullptr) != 1) {
    std::abort();  // a build of OpenSSL without SHA-1: nothing could name a script
  }
  constexpr char kDigits[] = "0123456789abcdef";
  Sha1Text text;
  for (size_t i = 0; i < text.size() / 2; ++i) {
    text[2 * i] = kDigits[digest[i] >> 4];
    text[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return text;
}

std::string Sha1Hex(std::string_view bytes) {
  const Sha1Text text = Sha1(bytes);
  return {text.data(), text.size()};
}

}  // namespace chorale
