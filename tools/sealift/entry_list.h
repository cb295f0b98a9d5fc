#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tools/sealift/output.h"

namespace sealift::tools {

// EntryList prints entries as they arrive, however many there are: with -o json one document {"entries": [...]}, else a
// line each. A list that was cut off is no document: a parser refuses it.
class EntryList {
 public:
  EntryList(Console& console, std::string member) : console_(console), member_(std::move(member)) {}

  // An entry is JSON on one line.
  void Add(std::string_view entry) {
    if (document()) console_.out() << (std::exchange(empty_, false) ? Head() : ",") << "\n";
    console_.out() << entry;
    if (!document()) console_.out() << "\n";
  }

  void End() {
    if (document()) console_.out() << (empty_ ? Head() : "\n") << "]}\n" << std::flush;
  }

 private:
  bool document() const { return console_.format() == Format::kJson; }
  std::string Head() const { return "{\"" + member_ + "\": ["; }

  Console& console_;
  const std::string member_;
  bool empty_ = true;
};

}  // namespace sealift::tools
