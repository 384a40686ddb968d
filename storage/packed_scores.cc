#include "storage/packed_scores.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace chorale {
namespace {

enum ScoreForm : unsigned { kInt8, kInt16, kInt32, kDouble };
constexpr size_t kScoreSizes[] = {1, 2, 4, 8};

// Lengths from kByteLength on do not fit into the header: one byte, or four, follow it.
constexpr unsigned kLengthMask = 63;
constexpr unsigned kByteLength = 62;
constexpr unsigned kWordLength = 63;

template <typename Integer>
bool Fits(double score) {
  return score >= std::numeric_limits<Integer>::min() &&
         score <= std::numeric_limits<Integer>::max();
}

ScoreForm FormOf(double score) {
  // -0.0 becomes 0, as in Redis's small encoding.
  if (score != std::trunc(score)) return kDouble;
  if (Fits<int8_t>(score)) return kInt8;
  if (Fits<int16_t>(score)) return kInt16;
  return Fits<int32_t>(score) ? kInt32 : kDouble;
}

template <typename Number>
char* Put(char* place, Number value) {
  std::memcpy(place, &value, sizeof(value));
  return place + sizeof(value);
}

template <typename Number>
Number Load(const char* place) {
  Number value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

char* PutScore(char* place, ScoreForm form, double score) {
  switch (form) {
    case kInt8:
      return Put(place, static_cast<int8_t>(score));
    case kInt16:
      return Put(place, static_cast<int16_t>(score));
    case kInt32:
      return Put(place, static_cast<int32_t>(score));
    case kDouble:
      break;
  }
  return Put(place, score);
}

double LoadScore(const char* place, ScoreForm form) {
  switch (form) {
    case kInt8:
      return Load<int8_t>(place);
    case kInt16:
      return Load<int16_t>(place);
    case kInt32:
      return Load<int32_t>(place);
    case kDouble:
      break;
  }
  return Load<double>(place);
}

unsigned LengthCode(size_t length) {
  if (length < kByteLength) return static_cast<unsigned>(length);
  return length <= 255 ? kByteLength : kWordLength;
}

}  // namespace

PackedScores::Entry PackedScores::At(size_t position) const {
  const char* place = buffer_.data() + position;
  const unsigned header = static_cast<unsigned char>(*place++);
  size_t length = header & kLengthMask;
  if (length == kByteLength) {
    length = Load<uint8_t>(place);
    place += 1;
  } else if (length == kWordLength) {
    length = Load<uint32_t>(place);
    place += 4;
  }
  const auto form = static_cast<ScoreForm>(header >> 6);
  const double score = LoadScore(place, form);
  place += kScoreSizes[form];
  const auto next = static_cast<size_t>(place + length - buffer_.data());
  return {score, std::string_view(place, length), next};
}

size_t PackedScores::Locate(size_t rank) const {
  if (rank >= count_) return End();
  size_t position = 0;
  for (; rank > 0; --rank) position = At(position).next;
  return position;
}

std::optional<PackedScores::Found> PackedScores::Find(std::string_view member) const {
  size_t rank = 0;
  for (size_t position = 0; position != End(); ++rank) {
    const Entry entry = At(position);
    if (entry.member == member) return Found{position, rank, entry};
    position = entry.next;
  }
  return std::nullopt;
}

void PackedScores::Insert(std::string_view member, double score) {
  size_t position = 0;
  while (position != End()) {
    const Entry entry = At(position);
    if (entry.score > score || (entry.score == score && entry.member > member)) break;
    position = entry.next;
  }
  const ScoreForm form = FormOf(score);
  const unsigned code = LengthCode(member.size());
  const size_t extra = code == kByteLength ? 1 : code == kWordLength ? 4 : 0;
  char* place = buffer_.Splice(position, 0, 1 + extra + kScoreSizes[form] + member.size());
  place = Put(place, static_cast<uint8_t>(form << 6 | code));
  if (code == kByteLength) place = Put(place, static_cast<uint8_t>(member.size()));
  if (code == kWordLength) place = Put(place, static_cast<uint32_t>(member.size()));
  place = PutScore(place, form, score);
  if (!member.empty()) std::memcpy(place, member.data(), member.size());
  ++count_;
}

void PackedScores::Erase(size_t begin, size_t end, size_t count) {
  buffer_.Splice(begin, end - begin, 0);
  count_ -= count;
}

}  // namespace chorale
