#include "engine/message/html_scanner.h"

#include <gtest/gtest.h>

#include <utility>

namespace sealift::engine {
namespace {

// Where a value behind this text stands; '*' is a value before it.
HtmlPlace PlaceBehind(std::string_view html) {
  HtmlScanner scanner;
  for (const char c : html) {
    if (c == '*') {
      scanner.FeedValue();
    } else {
      scanner.Feed(std::string_view(&c, 1));
    }
  }
  return scanner.place();
}

TEST(HtmlScannerTest, PlacesAreToldApart) {
  using enum HtmlPlace;
  const std::pair<std::string_view, HtmlPlace> cases[] = {
      {"", kText},
      {"a < b", kText},
      {"1 <2", kText},
      {"<p>", kText},
      {"<p class=\"", kText},
      {"<p class='a", kText},
      {"<p class=\"'", kText},
      {"<P TITLE = \"x\" ALT=\"", kText},
      {"<a href=\"", kUrl},
      {"<a href='", kUrl},
      {"<A HREF = \"  ", kUrl},
      {"<img alt=\"x\" src=\"", kUrl},
      {"<img alt=x/y src=\"", kUrl},
      {"<img/src=\"", kUrl},
      {"<input disabled formaction=\"", kUrl},
      {"<a href=\"https://x/", kUrlRest},
      {"<a href=\"*", kUrlEarly},
      {"<a href=\"**", kUrlEarly},
      {"<a href=\"* ", kUrlEarly},
      {"<a href=\"*java", kUrlEarly},
      {"<a href=\"*javascript:", kUrlOther},
      {"<a href=\"*https://x/", kUrlRest},
      {"<a href=\"x", kUrlEarly},
      {"<a href=\"../x/", kUrlRest},
      {"<a href=\"#", kUrlRest},
      {"<a href=\"https:", kUrlRest},
      {"<a href=\"TEL:", kUrlRest},
      {"<img src=\"cid:", kUrlRest},
      {"<a href=\"javascript:", kUrlOther},
      {"<a href=\" JavaScript:x('", kUrlOther},
      {"<a href=\"java\nscript:", kUrlOther},
      {"<a href=\"javascript&colon;", kUrlOther},
      {"<a href=\"&#106;avascript:", kUrlOther},
      {"<a href=\"data:text/html,", kUrlOther},
      {"<a href=\"vbscript:", kUrlOther},
      {"<a href=\"averylongschemethatnobodyknowshttps:", kUrlOther},
      {"<a href=\"mailto*:", kUrlOther},
      {"<a href=\"ht*tps://x", kUrlOther},
      {"<a href=\"*/", kUrlRest},
      {"<a href=\"?", kUrlRest},
      {"<a href=\"mailto:", kMailUrl},
      {"<a href=\"MailTo:a@b?subject=", kMailUrl},
      {"<a href=\"https://x\" title=\"", kText},
      {"<a href=\"x\">", kText},
      {"<p style=\"color:", kStyle},
      {"<style>p { color: ", kStyle},
      {"<style>p > a { color: ", kStyle},
      {"<style>x</style>", kText},
      {"<style>x</STYLE >", kText},
      {"<style></sty", kStyle},
      {"<script>x = \"<p>", kScript},
      {"<script src=\"", kUrl},
      {"<script></script>", kText},
      {"<iframe srcdoc=\"", kDocument},
      {"<iframe SrcDoc='<p>", kDocument},
      {"<set attributeName=\"href\" to=\"", kScript},
      {"<animate values=\"a;", kScript},
      {"<p to=\"", kText},
      {"<object codebase=\"", kUrl},
      {"<a onclick=\"", kScript},
      {"<a OnClick='go(", kScript},
      {"<title>a <b c=\"", kText},
      {"<title>x</title><a href=\"", kUrl},
      {"<a href=", kUnquoted},
      {"<a href= ", kUnquoted},
      {"<a href=https://x/", kUnquoted},
      {"<a href=x >", kText},
      {"<", kTag},
      {"<p", kTag},
      {"<p ", kTag},
      {"<p a", kTag},
      {"<p a ", kTag},
      {"<p a=\"x\"", kTag},
      {"</", kTag},
      {"</p ", kTag},
      {"<!-- a <a href=\"", kText},
      {"<!-- x --><a href=\"", kUrl},
      {"<!--><a href=\"", kUrl},
      {"<!---><a href=\"", kUrl},
      {"<!-- a --!><a href=\"", kUrl},
      {"<!-- a -- ><a href=\"", kText},
      {"<!--[if mso]><a href=\"", kUrl},
      {"<!--[if mso]><p><![endif]--><a href=\"", kUrl},
      {"<!--[if !mso]><!--><a href=\"", kUrl},
      {"<!--[if !mso]><!--><p><!--<![endif]--><a href=\"", kUrl},
      {"<!doctype html><a href=\"", kUrl},
      {"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0//EN\" \"http://x\"><p title=\"", kText},
      {"<?xml version=\"1.0\"?><a href=\"", kUrl},
      {"</><a href=\"", kUrl},
      {"<<a href=\"", kUrl},
  };
  for (const auto& [html, place] : cases) EXPECT_EQ(PlaceBehind(html), place) << html;
}

TEST(HtmlScannerTest, WaysThatMeetAreAlikeWhereTheyReadOnTheSame) {
  const auto after = [](std::string_view html) {
    HtmlScanner scanner;
    scanner.Feed(html);
    return scanner;
  };
  EXPECT_TRUE(after("<p>").IsLike(after("a <b>c</b>")));
  EXPECT_TRUE(after("<p ").IsLike(after("<p class=\"x\"")));
  EXPECT_TRUE(after("<a href=\"").IsLike(after("<a href=\"https://x")));
  EXPECT_FALSE(after("<p>").IsLike(after("<p ")));
  EXPECT_FALSE(after("<a href=\"").IsLike(after("<a title=\"")));
  EXPECT_FALSE(after("<a href=\"").IsLike(after("<a href='")));
  EXPECT_FALSE(after("<script>").IsLike(after("<style>")));
}

TEST(HtmlScannerTest, OfTwoBeginningsOfAUrlTheMoreDangerousOneCounts) {
  using enum HtmlPlace;
  const auto after = [](std::string_view value) {
    HtmlScanner scanner;
    scanner.Feed("<a href=\"");
    scanner.Feed(value);
    return scanner;
  };
  struct Case {
    std::string_view one, other;
    HtmlPlace joined;
  };
  for (const auto& [one, other, place] :
       {Case{"https://x/", "", kUrlEarly}, Case{"mailto:", "", kUrlEarly}, Case{"https://x/", "mailto:", kUrlRest},
        Case{"mailto:", "mailto:", kMailUrl}, Case{"https://x/", "http:", kUrlRest}, Case{"java", "", kUrlEarly},
        Case{"java", "https:", kUrlEarly}, Case{"javascript:", "https:", kUrlOther}}) {
    HtmlScanner joined = after(one);
    joined.Join(after(other));
    EXPECT_EQ(joined.place(), place) << one << " and " << other;
    joined = after(other);
    joined.Join(after(one));
    EXPECT_EQ(joined.place(), place) << other << " and " << one;
  }
  HtmlScanner joined = after("java");
  joined.Join(after("https"));
  joined.Feed(":");
  EXPECT_EQ(joined.place(), kUrlOther) << "one way may be a scheme that runs";
}

}  // namespace
}  // namespace sealift::engine
