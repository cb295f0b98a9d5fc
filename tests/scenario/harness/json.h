#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sealift::scenario {

// An answer of `sealift -o json`, to look into. What is not there reads as absent, "" or -1, which is no count: the
// expectation then says so. It keeps the JSON library, which is slow to compile, out of the stories.
class Json {
 public:
  Json();  // absent
  static Json Parse(const std::string& text);

  Json operator[](const std::string& key) const;
  Json At(size_t index) const;
  bool present() const;
  size_t size() const;
  int64_t Number() const;
  std::string Text() const;  // a string as it is, anything else as JSON
  std::vector<Json> Items() const;
  std::string Dump() const;

 private:
  struct Node;
  explicit Json(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

  std::shared_ptr<const Node> node_;
};

}  // namespace sealift::scenario
