#pragma once

#include <cstddef>

namespace shrike::enrich {

/// Links of one list an element can be in.
template <class T>
struct Links {
  T* previous = nullptr;
  T* next = nullptr;
  bool linked = false;
};

/// A doubly linked list through members of its elements: no allocation, removal in O(1). Does not own.
template <class T, Links<T> T::*links>
class IntrusiveList {
 public:
  [[nodiscard]] T* front() const { return front_; }
  [[nodiscard]] static T* next(const T* item) { return (item->*links).next; }
  [[nodiscard]] size_t size() const { return size_; }

  void push_back(T* item) {
    auto& mine = item->*links;
    mine = {back_, nullptr, true};
    (back_ != nullptr ? (back_->*links).next : front_) = item;
    back_ = item;
    ++size_;
  }
  /// Nothing happens when `item` is in no list of these links; it must not be in another one.
  void remove(T* item) {
    auto& mine = item->*links;
    if (!mine.linked) return;
    (mine.previous != nullptr ? (mine.previous->*links).next : front_) = mine.next;
    (mine.next != nullptr ? (mine.next->*links).previous : back_) = mine.previous;
    mine = {};
    --size_;
  }

 private:
  T* front_ = nullptr;
  T* back_ = nullptr;
  size_t size_ = 0;
};

}  // namespace shrike::enrich
