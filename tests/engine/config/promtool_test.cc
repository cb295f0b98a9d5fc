#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "engine/metrics_text.h"

namespace sealift::engine {
namespace {

// Prometheus's own judgement of a scrape that holds every metric.
TEST(PromtoolTest, AScrapeOfEveryMetricIsClean) {
  if (std::system("promtool --version >/dev/null 2>&1") != 0) {
    FAIL() << "promtool is missing: apt install prometheus (its daemon need not run)";
  }
  Metrics metrics;
  MetricsText text;
  text.Add(&metrics);
  for (const MetricDeclaration& declaration : MetricDeclarations()) {
    const std::vector<std::string> names(declaration.labels.size(), "a \"b\"\\\nc");
    if (declaration.kind == MetricKind::kHistogram) {
      if (declaration.labels.empty()) {
        text.AddHistogram(declaration.id, [id = declaration.id] { return Histogram(BucketBounds(id)).Snapshot(); });
      } else {
        metrics.histogram(declaration.id, {"a"})->Observe(0.3);
      }
      continue;
    }
    text.AddCallback(declaration.id, [names] { return std::vector<MetricsText::Sample>{{names, 1.5}}; });
  }
  std::string path = (std::filesystem::temp_directory_path() / "sealift-scrape-XXXXXX").string();
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  std::ofstream(path) << text.Render();
  std::FILE* const promtool = ::popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
  ASSERT_NE(promtool, nullptr);
  std::string said;
  for (int c = std::fgetc(promtool); c != EOF; c = std::fgetc(promtool)) said += static_cast<char>(c);
  EXPECT_EQ(::pclose(promtool), 0) << said;
  EXPECT_EQ(said, "");
  std::filesystem::remove(path);
}

// An alert on what is not there never fires.
TEST(PromtoolTest, TheAlertsAskForMetricsThatThereAre) {
  const std::string path = std::string(SEALIFT_SOURCE_DIR) + "/deploy/sealift.alerts.yml";
  EXPECT_EQ(std::system(("promtool check rules " + path + " >/dev/null").c_str()), 0);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string alerts = text.str();
  const std::regex name("sealift_[a-z_]+");
  size_t found = 0;
  for (std::sregex_iterator it(alerts.begin(), alerts.end(), name); it != std::sregex_iterator(); ++it, ++found) {
    EXPECT_TRUE(std::ranges::any_of(MetricDeclarations(), [&](const MetricDeclaration& declaration) {
      return it->str() == declaration.name || it->str() == std::string(declaration.name) + "_bucket";
    })) << it->str();
  }
  EXPECT_GT(found, 10u);
}

}  // namespace
}  // namespace sealift::engine
