#include "storage/list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/encoding_limits.h"
#include "storage/unsaved.h"

namespace chorale {
namespace {

using Strings = std::vector<std::string>;

Strings Contents(const List& list) {
  Strings all;
  list.ForEach(0, list.size(), [&](std::string_view element) { all.emplace_back(element); });
  return all;
}

Strings Backwards(const List& list) {
  Strings all;
  for (size_t i = list.size(); i > 0; --i) all.emplace_back(list.At(i - 1));
  return all;
}

List Of(const Strings& elements) {
  List list;
  for (const auto& element : elements) list.PushBack(element);
  return list;
}

std::vector<size_t> Indexes(const List& list, std::string_view element, bool from_back,
                            size_t max_length) {
  std::vector<size_t> found;
  list.Search(element, from_back, max_length, [&](size_t index) {
    found.push_back(index);
    return true;
  });
  return found;
}

TEST(ListTest, KeepsBothEndsInOrder) {
  List list;
  list.PushBack("b");
  list.PushFront("a");
  list.PushBack("c");
  EXPECT_EQ(Contents(list), (Strings{"a", "b", "c"}));
  EXPECT_EQ(list.Front(), "a");
  EXPECT_EQ(list.Back(), "c");
  list.PopFront();
  list.PopBack();
  EXPECT_EQ(Contents(list), (Strings{"b"}));
  list.PopBack();
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.MemoryUsage(), 0u);
}

TEST(ListTest, KeepsElementsOfEveryLengthThatChangesTheForm) {
  Strings elements;
  for (const size_t length : {0, 1, 254, 255, 256, 8147, 8148, 8160, 9000, 100000}) {
    elements.emplace_back(length, 'x');
  }
  List list = Of(elements);
  EXPECT_EQ(Contents(list), elements);
  List mirrored;
  for (const auto& element : elements) mirrored.PushFront(element);
  std::reverse(elements.begin(), elements.end());
  EXPECT_EQ(Contents(mirrored), elements);
  EXPECT_EQ(Backwards(mirrored), Contents(list));
}

TEST(ListTest, InsertsAroundTheFirstPivot) {
  List list = Of({"a", "b", "b"});
  EXPECT_TRUE(list.InsertBefore("b", "x"));
  EXPECT_TRUE(list.InsertAfter("b", "y"));
  EXPECT_FALSE(list.InsertAfter("nothing", "z"));
  EXPECT_EQ(Contents(list), (Strings{"a", "x", "b", "y", "b"}));
}

TEST(ListTest, RemovesFromTheSideThatTheCountNames) {
  const Strings elements{"x", "a", "x", "b", "x"};
  List first = Of(elements);
  EXPECT_EQ(first.Remove(2, "x"), 2u);
  EXPECT_EQ(Contents(first), (Strings{"a", "b", "x"}));
  List last = Of(elements);
  EXPECT_EQ(last.Remove(-2, "x"), 2u);
  EXPECT_EQ(Contents(last), (Strings{"x", "a", "b"}));
  List all = Of(elements);
  EXPECT_EQ(all.Remove(0, "x"), 3u);
  EXPECT_EQ(Contents(all), (Strings{"a", "b"}));
  EXPECT_EQ(all.Remove(std::numeric_limits<int64_t>::min(), "a"), 1u);
}

TEST(ListTest, SearchesFromEitherEndWithinALength) {
  const List list = Of({"x", "a", "x", "b", "x"});
  EXPECT_EQ(Indexes(list, "x", false, 100), (std::vector<size_t>{0, 2, 4}));
  EXPECT_EQ(Indexes(list, "x", true, 100), (std::vector<size_t>{4, 2, 0}));
  EXPECT_EQ(Indexes(list, "x", false, 2), (std::vector<size_t>{0}));
  EXPECT_EQ(Indexes(list, "x", true, 3), (std::vector<size_t>{4, 2}));
  EXPECT_TRUE(Indexes(List(), "x", true, 3).empty());
}

TEST(ListTest, IsAListpackUpToEightKibibytesAndAgainAtHalfOfThat) {
  List list;
  const std::string element(98, 'x');
  for (int i = 0; i < 81; ++i) list.PushBack(element);
  EXPECT_EQ(list.encoding(), "listpack");
  list.PushBack(element);
  EXPECT_EQ(list.encoding(), "quicklist");
  while (list.size() > 41) list.PopBack();
  EXPECT_EQ(list.encoding(), "quicklist");
  list.PopBack();
  EXPECT_EQ(list.encoding(), "listpack");
}

TEST(ListTest, APositiveLimitCountsElements) {
  g_encoding_limits.list_max_listpack_size = 3;
  List list = Of({"a", "b", "c"});
  EXPECT_EQ(list.encoding(), "listpack");
  list.PushFront("d");
  EXPECT_EQ(list.encoding(), "quicklist");
  g_encoding_limits.list_max_listpack_size = -2;
}

TEST(ListTest, AQueueThatStaysShortKeepsItsMemory) {
  List list = Of({"a", "b", "c"});
  for (int i = 0; i < 100000; ++i) {
    list.PushFront("element");
    list.PopBack();
  }
  EXPECT_EQ(list.size(), 3u);
  EXPECT_LE(list.MemoryUsage(), 256u);
}

TEST(ListTest, ReplacingALargeElementGivesItsMemoryBack) {
  List list = Of({"a", std::string(1 << 20, 'x'), "b"});
  list.Set(1, "small");
  EXPECT_EQ(Contents(list), (Strings{"a", "small", "b"}));
  EXPECT_LE(list.MemoryUsage(), 20000u);
}

TEST(ListTest, ACloneHasItsOwnElements) {
  List list = Of({"a", "b"});
  List clone = list.Clone();
  list.Set(0, "changed");
  EXPECT_EQ(Contents(clone), (Strings{"a", "b"}));
  clone = std::move(list);
  EXPECT_EQ(Contents(clone), (Strings{"changed", "b"}));
}

// With `always` each write is followed by a round, for which a long list must not be gone over.
TEST(ListTest, KnowsWhichBlocksHaveChangedSinceTheyWereSaved) {
  const bool persistent_before = std::exchange(g_persistent, true);
  std::map<int32_t, size_t> rows;  // elements, by order
  List list;
  const auto save = [&](bool all) {
    size_t visited = 0;
    for (const int32_t order : list.parts()->removed) rows.erase(order);
    list.SaveBlocks(all, [&](int32_t order, const std::vector<std::string_view>& elements) {
      rows[order] = elements.size();
      ++visited;
    });
    list.parts()->Saved();
    EXPECT_TRUE(list.parts()->changed.empty());
    size_t elements = 0;
    for (const auto& [order, count] : rows) elements += count;
    EXPECT_EQ(elements, list.size());
    return visited;
  };
  for (int i = 0; i < 10'000; ++i) list.PushBack(std::string(100, 'x'));
  const size_t blocks = save(true);
  EXPECT_GT(blocks, 100u);
  EXPECT_EQ(save(false), 0u);

  list.PushFront("front");
  list.PopBack();
  EXPECT_EQ(list.parts()->changed.size(), 2u);
  EXPECT_EQ(save(false), 2u);
  list.Set(5000, std::string(100, 'y'));
  list.Set(5000, std::string(101, 'z'));
  EXPECT_EQ(list.parts()->changed.size(), 1u);
  EXPECT_EQ(save(false), 1u);
  // Blocks that are made, that grow and that go between two rounds.
  for (int i = 0; i < 1000; ++i) list.PushFront(std::string(100, 'x'));
  for (int i = 0; i < 10; ++i) list.InsertAfter("front", std::string(3000, 'i'));
  list.Trim(900, list.size() - 500);
  EXPECT_LT(list.parts()->changed.size(), 20u);
  EXPECT_LT(save(false), 20u);
  list.Trim(10, 11);
  list.PushBack(std::string(5000, 'x'));
  EXPECT_LE(list.parts()->changed.size(), 2u);
  EXPECT_LE(save(false), 2u);
  list.Trim(0, 0);
  EXPECT_TRUE(list.parts()->changed.empty());
  g_persistent = persistent_before;
}

// The same random operations on a List and on a std::deque.
class ListModelTest : public testing::TestWithParam<size_t> {
 protected:
  std::string Element() {
    const size_t longest = random_() % 8 == 0 ? GetParam() * 20 : GetParam();
    return std::string(random_() % (longest + 1), static_cast<char>('a' + random_() % 3));
  }
  size_t Index() { return random_() % model_.size(); }

  void Step() {
    const std::string element = Element();
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
        list_.PushFront(element);
        model_.push_front(element);
        break;
      case 3:
      case 4:
      case 5:
        list_.PushBack(element);
        model_.push_back(element);
        break;
      case 6:
        if (!model_.empty()) {
          ASSERT_EQ(list_.Front(), model_.front());
          list_.PopFront();
          model_.pop_front();
        }
        break;
      case 7:
        if (!model_.empty()) {
          ASSERT_EQ(list_.Back(), model_.back());
          list_.PopBack();
          model_.pop_back();
        }
        break;
      case 8:
      case 9:
        if (!model_.empty()) {
          const size_t index = Index();
          list_.Set(index, element);
          model_[index] = element;
        }
        break;
      case 10:
      case 11:
      case 12:
        Insert(element);
        break;
      case 13:
        Remove(element);
        break;
      default:
        if (!model_.empty()) {
          const size_t index = Index();
          ASSERT_EQ(list_.At(index), model_[index]);
        }
        if (random_() % 300 == 0) Trim();
    }
    ASSERT_EQ(list_.size(), model_.size());
  }

  void Insert(const std::string& element) {
    const std::string pivot = model_.empty() ? "" : model_[Index()];
    const auto at = std::find(model_.begin(), model_.end(), pivot);
    const bool after = random_() % 2 == 0;
    const bool inserted =
        after ? list_.InsertAfter(pivot, element) : list_.InsertBefore(pivot, element);
    ASSERT_EQ(inserted, at != model_.end());
    if (inserted) model_.insert(after ? at + 1 : at, element);
  }

  void Remove(const std::string& element) {
    const auto count = static_cast<int64_t>(random_() % 5) - 2;
    std::deque<std::string> kept;
    size_t removed = 0;
    const size_t limit = count == 0 ? model_.size() : static_cast<size_t>(std::abs(count));
    if (count < 0) std::reverse(model_.begin(), model_.end());
    for (auto& present : model_) {
      if (present == element && removed < limit) {
        ++removed;
      } else {
        kept.push_back(present);
      }
    }
    if (count < 0) std::reverse(kept.begin(), kept.end());
    model_ = std::move(kept);
    ASSERT_EQ(list_.Remove(count, element), removed);
  }

  void Trim() {
    const size_t begin = random_() % (model_.size() + 1);
    const size_t end = begin + random_() % (model_.size() - begin + 1);
    list_.Trim(begin, end);
    model_ = begin == end ? std::deque<std::string>()
                          : std::deque<std::string>(model_.begin() + static_cast<ptrdiff_t>(begin),
                                                    model_.begin() + static_cast<ptrdiff_t>(end));
  }

  std::mt19937_64 random_{20240607};
  List list_;
  std::deque<std::string> model_;
};

TEST_P(ListModelTest, BehavesLikeADeque) {
  for (int step = 0; step < 20000; ++step) {
    Step();
    if (HasFatalFailure()) return;
    if (step % 500 != 0) continue;
    const Strings expected(model_.begin(), model_.end());
    ASSERT_EQ(Contents(list_), expected);
    ASSERT_EQ(Contents(list_.Clone()), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(ElementLengths, ListModelTest, testing::Values(4, 30, 300, 2000));

}  // namespace
}  // namespace chorale
