#include "tests/scenario/harness/json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace sealift::scenario {

struct Json::Node {
  nlohmann::json value;
};

Json::Json() : node_(std::make_shared<Node>(Node{nlohmann::json(nlohmann::json::value_t::discarded)})) {}

Json Json::Parse(const std::string& text) {
  return Json(std::make_shared<Node>(Node{nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false)}));
}

Json Json::operator[](const std::string& key) const {
  if (!node_->value.is_object() || !node_->value.contains(key)) return {};
  return Json(std::make_shared<Node>(Node{node_->value[key]}));
}

Json Json::At(size_t index) const {
  if (!node_->value.is_array() || index >= node_->value.size()) return {};
  return Json(std::make_shared<Node>(Node{node_->value[index]}));
}

bool Json::present() const { return !node_->value.is_discarded(); }

size_t Json::size() const { return present() ? node_->value.size() : 0; }

int64_t Json::Number() const { return node_->value.is_number() ? node_->value.get<int64_t>() : -1; }

std::string Json::Text() const {
  if (!present()) return "";
  return node_->value.is_string() ? node_->value.get<std::string>() : node_->value.dump();
}

std::vector<Json> Json::Items() const {
  std::vector<Json> items;
  for (size_t i = 0; i < size() && node_->value.is_array(); ++i) items.push_back(At(i));
  return items;
}

std::string Json::Dump() const { return present() ? node_->value.dump(2) : "(no JSON)"; }

}  // namespace sealift::scenario
