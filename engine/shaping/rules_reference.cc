#include "engine/shaping/rules_reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/shaping/reply_rules.h"
#include "engine/shaping/response_rules.h"

namespace sealift::engine {
namespace {

constexpr size_t kPhrasesShown = 6;

constexpr std::string_view kOpening = R"(# What replies mean, and what follows

Every negative reply gets a *class*, says whom it is *about*, and has a *verdict*. The rule that gave them is in the event
(`sealift message trace`). This page is made of the tables that the engine acts on.

| verdict | what becomes of the row, and of the rest |
| --- | --- |
| `retry` | it is tried again, by the stream's `retry` |
| `bounce` | it bounces; the address may still be right, or is only suspected to be nobody |
| `suppress` | it bounces, and the address gets no more mail |
| `slow` | it is tried again, and what it is about sends less |
| `stop` | it is tried again, and what it is about sends nothing for a while |

Nobody is suppressed for a 4xx, nor for what was said of us, or before he was named: where a rule of yours says `suppress` of such a reply
the row bounces, and no more. One that says `bounce` alone suppresses nobody. A mailbox is only *suspected* to be nobody, and suppressed when that is heard
again on another day (within 30 days, and without its taking mail in between), where the words and the enhanced code contradict each other (`550 5.7.1 user unknown`), where they speak of us too
(`550 5.1.1 no such user, or the sender is blocked`), where only the code says it and the words say something else that is not understood
(`550 5.1.1 not offered to your country`; of a bare `550 5.1.1 address rejected` it is believed), where the words say it and two of them or
more are none that are usual beside it (`550 5.1.1 user unknown, replicas lagging`), where they offer another reason (`550 5.1.1 user unknown or access denied`), say it of now, of a list or of where an alias
leads (`550 5.1.1 alias expands to unknown user`), where they quote somebody else's address and not the recipient's, where they cannot be
read, where it is said after the content, and where a provider is known to misreport (below). Who could not look the recipient up, says when
to try again, or wants encryption, is tried again, whatever his code; mail to who takes none from outside bounces, and he is not suppressed.
Who refuses a recipient by a policy and says hardly more (`550 5.7.1 recipient rejected`) refuses him and not us: the row bounces, and the
address may have mail again. A refusal that quotes an address of ours, and not the recipient's, is said of us. While a provider, or a site of none, refuses for good ten recipients in a hundred, whatever it says of them, five times what is usual
for it, and at least 50 in ten minutes, nobody there is suppressed or bounced: rows wait, `sealift_hard_bounce_spikes` is above 0, and the
log says where; what a rule of yours bounces does bounce. Up to 4,096 that refuse are watched at a time, and every known provider. A bounce
that comes back by mail counts as well, and only suspects its recipient while that lasts. What is usual is learnt from
the minutes in which it refused ten in a hundred at most, and from none of such a time; for a site of none it is known once they had 200
attempts: one that refuses everybody from the first message on is a dead domain, and its recipients bounce.

## A backoff

A backoff begins at the rate that was measured, times the rule's factor, and never goes under the rule's floor, six messages a
minute by default. It comes back in ten equal steps until its time is over. Replies to what was under way do not slow it again; one to what was begun since does, by the same factor
again, and its time begins anew; by another rule of less time or a higher floor it is over no sooner, and keeps its floor. So nobody is let down twice within one backoff. `sealift domain explain` names it with its rule;
`sealift_source_backoff{source,provider}` says by how many percent a source is slowed: with the provider `all` one that is slowed
everywhere, with the source `all` all of them. `sealift_stream_backoff{stream}` says the same of a stream, and
`sealift_campaign_backoffs` how many campaigns are slowed. `sealift source show` lists what slows a source, what slows its streams and
their campaigns included.

Where even the floor is refused, nothing is tried for a tenth of the backoff's time (a minute at most), then for twice as long each time,
up to the rule's time, or an eighth of how long nothing was taken if that is more. So who blocks a source for an hour is asked some ten times, and
found open within a quarter of an hour.

A suspension lets nothing through for its time, and no later reply shortens it. Then a backoff begins at the floor, or, after a short
suspension, at one message for each of the ten steps where that is more; it is over after as long again as the suspension lasted, half an
hour at most. `sealift source resume` ends a suspension of a source before its time, for who knows that the receiver has thought again,
and `sealift throttle resume` one of any scope, by its name in `throttle list`.

Where a built-in rule would suspend, one row that was refused before for the same reason is not believed alone, nor is a reply to a recipient
that names IP addresses of which none is in the source's network (its /24, or /64; asked only where the source's own address is public): an
alias may lead to a host that refuses whoever forwards it. The row waits for its next attempt, and nothing is suspended unless the next
attempt there, of another row, is refused in the same way. Rules of your own act on each reply.

What a host says before any mail (in place of its greeting, to EHLO or STARTTLS) is heard whether another host of the destination lets us in or not.
Where it suspends the source there, no other host is asked, and another is asked first once that is over. One connection too many, while
others are let in, slows nothing: the number is learnt, and the built-in rules that go by a class leave it to that.

A restart, or a crash, changes none of this: backoffs, suspensions, what triggers have counted, the bounces that `max_hard_bounces` counts
and the guard above go on where they were; that of a site of no known provider begins anew with a restart, and after a day without mail. What was counted in the last second before a crash may be missing.

When a source is refused, or a rule of yours slows or suspends it (there, or everywhere), the other sources of its pools, and those by
which a route or a warm-up's overflow lets the same streams leave, do not at once take over its load at the provider that said it. Each goes
on at the pace that it has (one message a second if it has not sent there yet, and never under the floor), and in ten equal steps over the rule's time grows by the pace that the
refused one had. They were not refused: their warm-ups go on. What is not one of the known providers is judged by itself.

## Rules of your own

Each `[[rule]]` of the configuration comes before the built-in ones, in the order of the file; the first that is met decides alone. All
that it says must hold: `provider`, `match` (RE2 on `421 4.7.28 text`, joined to one line, continuation codes removed, addresses taken
out, in any case, each byte that is not ASCII a `?`), `class`, `enhanced`.

Events, `explain` and metrics call a rule by its `name`; one without by a number made of its conditions, `scope` and `trigger`, such as
`rule.1a2b3c4d`. Neither changes when others are put in front of it or taken away.

`scope` says what is acted on: the `source`; the `source_provider`, a source at the provider that said it; the `provider`, for every source;
the `pool` at that provider; the `stream`; the `campaign`. The pool is the one that sent: the stream's own, or, where `queue route` or a
warm-up's overflow let a row leave by another, that of the source which got the reply. The built-in scope `signers` is the sources of every
stream that signs for a domain of this one, those by which a route or a warm-up's overflow lets such a stream leave now, and the source
which got the reply. What SPF, DKIM, DMARC, From or the envelope's domain lack is said of the domain, and slows the signers; a PTR or a HELO is
the source's.

A `trigger` counts for what the scope names: for a stream wherever it sends, for a pool at a provider whichever stream it sends for, for
signers at a provider by the domains that are signed for. A reload that puts another `[[rule]]` in front, or changes what this one does,
takes nothing from its count; one that changes its conditions, `scope` or `trigger` begins anew.
)";

std::string Cell(std::string text) {
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.replace(at, 1, "\\|");
  return text;
}

std::string ConditionOf(const ResponseRule& rule) {
  std::vector<std::string> parts;
  if (!rule.reply_rule.empty()) parts.push_back(fmt::format("reply rule `{}`", rule.reply_rule));
  if (!rule.classes.empty()) parts.push_back(fmt::format("class `{}`", fmt::join(rule.classes, "`, `")));
  if (rule.remedy.has_value()) parts.push_back(fmt::format("verdict `{}`", ToString(*rule.remedy)));
  if (rule.about.has_value()) parts.push_back(fmt::format("about the {}", ToString(*rule.about)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ActionsOf(const ResponseRule& rule) {
  std::vector<std::string> parts;
  const std::string lasts = fmt::format("{:g} min", absl::ToDoubleMinutes(rule.duration));
  if (rule.actions.backoff) parts.push_back(fmt::format("backoff x {:g}, over in {}", rule.factor, lasts));
  if (rule.actions.suspend) parts.push_back(fmt::format("suspend {}", lasts));
  if (rule.actions.alert) parts.push_back("alert");
  if (rule.spares_siblings) parts.push_back("siblings keep their pace");
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string PhrasesOf(const RuleEntry& entry) {
  if (entry.phrases.empty()) return fmt::format("enhanced code {}", entry.code);
  std::vector<std::string> shown;
  for (const std::string_view phrase : entry.phrases.first(std::min(entry.phrases.size(), kPhrasesShown))) {
    const size_t from = phrase.find_first_not_of(' '), to = phrase.find_last_not_of(' ');
    shown.push_back(fmt::format("`{}`", phrase.substr(from, to - from + 1)));
  }
  const size_t more = entry.phrases.size() - shown.size();
  return fmt::format("{}{}", fmt::join(shown, ", "), more == 0 ? "" : fmt::format(" and {} more", more));
}

std::string_view RemarkOf(const RuleEntry& entry) {
  if (entry.caveat) return " (caveat)";
  return entry.rule->vague ? " (vague)" : "";
}

}  // namespace

std::string RulesReference() {
  std::string page(kOpening);
  page += fmt::format("\n## Built-in rules\n\nAs of {}. What becomes of the row they leave to its verdict.\n\n",
                      kRulesDate);
  page += "| rule | provider | when | acts on | from | does | why |\n";
  page += "| --- | --- | --- | --- | --- | --- | --- |\n";
  const auto rules = ResponseRules::Compile({});
  for (const ResponseRule& rule : (*rules)->rules()) {
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", rule.name,
                        rule.provider.empty() ? "any" : rule.provider, ConditionOf(rule), ToString(rule.scope),
                        rule.trigger_count <= 1 ? "the first"
                                                : fmt::format("{} in {:g} min", rule.trigger_count,
                                                              absl::ToDoubleMinutes(rule.trigger_period)),
                        ActionsOf(rule), Cell(std::string(rule.why)));
  }
  page += "\n## Who is known to misreport\n\n| provider | reply rule |\n| --- | --- |\n";
  for (const auto& [provider, rule] : AllMisreports()) page += fmt::format("| {} | `{}` |\n", provider, rule);
  page +=
      "\n## What words and codes mean\n\nThe first that is found decides. `*` stands for any words, `?` for one, `#ip` "
      "for an IP address, and `[who]` for one of a set: ";
  page +=
      "what a mailbox or its owner is called, in the languages that servers answer in, and `[nobody]` for that there "
      "is ";
  page +=
      "none. A vague one gives way to an enhanced code that says more, and one about the "
      "recipient or the content to x.1.7 and x.1.8, which are said of the sender's address. A caveat is looked for "
      "only where a 5xx would be taken for a bad mailbox, and takes its place; one that is itself of that class makes "
      "it a suspicion.\n\n"
      "| reply rule | class | about | found by |\n| "
      "--- | --- | --- | --- |\n";
  for (const RuleEntry& entry : AllRules()) {
    page += fmt::format("| `{}`{} | `{}` | {} | {} |\n", entry.rule->name, RemarkOf(entry),
                        ToString(entry.rule->reason_class), ToString(entry.rule->about), PhrasesOf(entry));
  }
  return page;
}

}  // namespace sealift::engine
