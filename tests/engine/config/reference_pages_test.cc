#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "engine/config_show.h"
#include "engine/metrics_text.h"
#include "engine/shaping/rules_reference.h"

namespace sealift::engine {
namespace {

// With SEALIFT_RENEW_PAGES=1 the pages are written instead of compared.
void ExpectPage(const std::string& name, const std::string& wanted) {
  const std::string path = std::string(SEALIFT_SOURCE_DIR) + "/docs/" + name;
  if (std::getenv("SEALIFT_RENEW_PAGES") != nullptr) std::ofstream(path) << wanted;
  std::ostringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_TRUE(page.str() == wanted) << "docs/" << name << " is stale; run this test once with SEALIFT_RENEW_PAGES=1";
}

TEST(ReferencePagesTest, TheConfigPageIsWhatTheFieldListSays) { ExpectPage("config.md", ConfigReference()); }

TEST(ReferencePagesTest, TheMetricsPageIsWhatTheDeclarationsSay) { ExpectPage("metrics.md", MetricsReference()); }

TEST(ReferencePagesTest, TheRulesPageIsWhatTheTablesSay) { ExpectPage("rules.md", RulesReference()); }

}  // namespace
}  // namespace sealift::engine
