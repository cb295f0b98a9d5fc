#include "tools/sealift/metric_text.h"

#include <charconv>
#include <optional>

namespace sealift::tools {
namespace {

// label="value",... behind the brace; what follows the closing one stays in `text`.
bool TakeLabels(std::string_view& text, MetricSample& sample) {
  while (!text.empty() && text.front() != '}') {
    const size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return false;
    const std::string name(text.substr(0, equals));
    text.remove_prefix(equals + 2);
    std::string value;
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) {
        text.remove_prefix(1);
        value += text.front() == 'n' ? '\n' : text.front();
      } else {
        value += text.front();
      }
      text.remove_prefix(1);
    }
    if (text.empty()) return false;
    text.remove_prefix(1);
    if (text.starts_with(',')) text.remove_prefix(1);
    sample.labels[name] = value;
  }
  if (text.empty()) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<MetricSample> ParseLine(std::string_view line) {
  MetricSample sample;
  const size_t end = line.find_first_of("{ ");
  if (line.empty() || line.front() == '#' || end == std::string_view::npos) return std::nullopt;
  sample.name = line.substr(0, end);
  const bool labelled = line[end] == '{';
  line.remove_prefix(end + 1);
  if (labelled && !TakeLabels(line, sample)) return std::nullopt;
  while (line.starts_with(' ')) line.remove_prefix(1);
  const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), sample.value);
  if (error != std::errc() || rest == line.data()) return std::nullopt;
  return sample;
}

}  // namespace

std::string MetricSample::Label(std::string_view label) const {
  const auto found = labels.find(label);
  return found == labels.end() ? std::string() : found->second;
}

std::vector<MetricSample> ParseMetricText(std::string_view text) {
  std::vector<MetricSample> samples;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (std::optional<MetricSample> sample = ParseLine(text.substr(0, end))) samples.push_back(*std::move(sample));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return samples;
}

}  // namespace sealift::tools
