#include <utility>

#include "tools/sealift/commands.h"

namespace sealift::tools {
namespace {

Flag Switch(const char* name, const char* help) { return {.name = name, .value = "", .help = help}; }
Flag Option(const char* name, const char* value, const char* help) {
  return {.name = name, .value = value, .help = help};
}
Flag Required(const char* name, const char* value, const char* help) {
  return {.name = name, .value = value, .help = help, .required = true};
}
Flag Repeated(const char* name, const char* value, const char* help) {
  return {.name = name, .value = value, .help = help, .required = false, .repeatable = true};
}

// How a command is told the message of a campaign (message_flags.h). `when` is what each help begins with.
std::vector<Flag> Message(const std::string& when, std::vector<Flag> before, const std::vector<Flag>& behind) {
  std::vector<Flag> flags = std::move(before);
  const auto add = [&](Flag flag, const char* instead) {
    flag.help = when + instead + flag.help;
    flags.push_back(std::move(flag));
  };
  constexpr const char* kInstead = "instead of --template: ";
  add(Option("template", "FILE", "an RFC 5322 message (.eml) with {{name}} fields"), "");
  add(Option("from", "SENDER", "`Clinic <news@example.com>`"), kInstead);
  add(Option("subject", "TEXT", "the subject, with {{name}} fields"), kInstead);
  add(Option("text", "FILE", "the text, with {{name}} fields"), kInstead);
  add(Option("html", "FILE", "the HTML version, with {{name}} fields"), kInstead);
  add(Repeated("attach", "FILE", "a file sent along"), kInstead);
  flags.insert(flags.end(), behind.begin(), behind.end());
  return flags;
}

// Which rows a queue command is about; no filter is an error.
std::vector<Flag> Filtered(std::vector<Flag> own) {
  std::vector<Flag> flags = {
      Option("domain", "DOMAIN", "rows to this domain"),
      Option(
          "provider", "NAME",
          "rows to hosts of this provider; domains that nothing was sent to are looked up, and rows of those that the "
          "DNS does not answer for in time are left: `unplaced` counts them"),
      Option("campaign", "NAME", "rows of this campaign"),
      Option("stream", "NAME", "rows of this stream"),
      Option("source", "NAME", "rows of streams whose pool has this source"),
      Option("class", "CLASS",
             "rows whose last attempt ended so: greylisted, rate, full; one that is none is answered with all"),
      Option("state", "fresh|retrying|in_doubt|held",
             "rows that were never tried, or were, or may have arrived; or that an order holds (queue list)"),
      Option("older-than", "DURATION", "rows accepted longer ago"),
      Option("recipient", "ADDR", "rows to this address"),
      Option("id", "ID", "the row of this Message-ID"),
      Switch("everything", "every row; no filter at all is an error"),
  };
  flags.insert(flags.end(), own.begin(), own.end());
  return flags;
}

// Which suppressions a command is about.
std::vector<Flag> Suppressions(const char* kind, const char* stream, const char* campaign, std::vector<Flag> own) {
  std::vector<Flag> flags = {Option("kind", "opt_out|complaint|hard_bounce|manual", kind),
                             Option("stream", "NAME", stream), Option("campaign", "NAME", campaign)};
  flags.insert(flags.end(), own.begin(), own.end());
  return flags;
}

// Of what can be taken back by one command: for scripts that say it to every change.
Flag NothingToAsk() { return Switch("yes", "as for the others; it asks nothing anyway"); }
Flag Reveal() { return Switch("reveal", "show whole addresses; written to the audit file"); }

std::vector<Command> MakeTree() {
  return {
      {"demo",
       "",
       "",
       "Mail a synthetic campaign through the real engine into a built-in sink on loopback",
       "Needs no configuration, no network and no rights. It makes a private directory, generates a key, a template "
       "and "
       "synthetic patients on 60 .test domains, starts sealift-sink (mail servers and the DNS that leads to them) and "
       "sealiftd, loads and starts the campaign, shows how it goes, and ends when only rows are left that wait for "
       "another try or for TLS. Exit 0 says that every row is accounted for. It is for trying, not for production.",
       "sealift demo --recipients 2000",
       {Option("recipients", "N", "how many to mail; default 10000"),
        Switch("keep", "leave the directory with all its data, to look at afterwards")},
       RunDemo},

      {"campaign", "load", "NAME", "Load a template and its recipients, or finished messages, as a campaign",
       "The campaign is then `ready` and sends nothing until --start, --start-at or `campaign start`. The same NAME "
       "and "
       "files again resume where they stopped and add nothing twice; another --rate, --weight, --expires-in or the "
       "like "
       "is refused, and it starts when the first load said. Rejected rows go into the --rejects file as "
       "line,column,reason, never with a cell's value; the file is made with mode 0600, and replaces nothing but such "
       "a list. Of "
       "finished messages the line is the message's number and the column its file. Exit 3: some rows were rejected, "
       "the rest was accepted. A gzip or zstd file is unpacked on the way. The message is a --template, or is made of "
       "--from, --subject, --text, --html and --attach.",
       "sealift campaign load spring --stream newsletter --template spring.eml --recipients patients.csv --start",
       Message(
           "", {Required("stream", "NAME", "the stream of the configuration that it goes out by")},
           {Option("recipients", "FILE", "rows with a column `email`, plain, gzip or zstd; - is standard input"),
            Option("format", "FORMAT",
                   "csv or tsv (a header row names the columns) or ndjson (an object a line); default: what the "
                   "file's name "
                   "says, else csv"),
            Option("messages", "PATH",
                   "finished messages instead of these two, each to its own To, Cc and Bcc: a directory of .eml "
                   "files, or an "
                   "mbox; - is an mbox on standard input"),
            Switch("start", "start sending as soon as it is loaded"),
            Option("start-at", "TIME", "start at this time: 2026-12-01T09:00:00Z, now+30m"),
            Option("expires-in", "DURATION",
                   "give up on a row this long after its acceptance, instead of the stream's: 6h, 3d"),
            Option("erase-after", "DURATION",
                   "forget the campaign's data key this long after it is done, instead of the stream's: 30d; 0s is "
                   "never"),
            Option("rejects", "FILE", "where rejected rows are listed"),
            Option("rate", "RATE", "never faster than this: 200/s, 5000/h"),
            Option("messages-per-day", "N", "never more in any 24 hours, spread over them; beside --rate"),
            Option("connections", "N", "never more connections that carry its mail at once"),
            Option("connection-rate", "RATE", "never more new connections that are opened for its mail: 60/m"),
            Option("messages-per-connection", "N", "a connection that carries its mail carries no more messages"),
            Option("weight", "N",
                   "its share of a destination, and of a rate that several share, beside campaigns of the same "
                   "priority: so many messages for each of a campaign of weight 1, the default; to 100"),
            Option("key-column", "COLUMN",
                   "your own name for a row (up to 128 bytes), shown in its events instead of its number"),
            Repeated(
                "require", "COLUMN=VALUE",
                "reject rows whose column, or --default where it is empty or absent, is not this, such as consent=yes"),
            Repeated(
                "default", "COLUMN=VALUE",
                "what an empty column, or one that the file does not have, counts as; before the template's own")}),
       RunCampaignLoad},
      {"campaign",
       "list",
       "",
       "List campaigns, the oldest first, with state and counters",
       "",
       "sealift campaign list",
       {},
       RunCampaignList},
      {"campaign",
       "show",
       "NAME",
       "Show one campaign's state and counters",
       "loaded = delivered + bounced + expired + suppressed + cancelled + queued; deferred and held rows are queued "
       "ones.",
       "sealift campaign show spring -o json",
       {},
       RunCampaignShow},
      {"campaign",
       "report",
       "NAME",
       "Show what became of a campaign's rows, by outcome, provider and source",
       "Counted over its events, so a row that was deferred twice and then delivered counts three times; those that "
       "retention has taken are not counted any more. An outcome that no host gave has no provider.",
       "sealift campaign report spring -o csv",
       {},
       RunCampaignReport},
      {"campaign",
       "watch",
       "NAME",
       "Follow a campaign until it is done",
       "One line that changes on a terminal, a line a second elsewhere. It also ends when the campaign is paused, "
       "cancelled "
       "or not started; Ctrl-C leaves the campaign alone.",
       "sealift campaign watch spring",
       {Option("interval", "DURATION", "between two looks; default 1s"), Switch("once", "look once")},
       RunCampaignWatch},
      {"campaign", "preview", "[NAME]", "Print the exact bytes that a row would get",
       "Either of a loaded campaign's row, with its own Message-ID (written to the audit file, as it shows an "
       "address), or "
       "offline of a template and a recipient file before anything is loaded, with a made-up Message-ID.",
       "sealift campaign preview --template spring.eml --recipients patients.csv --row 1",
       Message(
           "offline: ",
           {Option("row", "N", "the data row of the recipient file, from 1; default 1"),
            Option("date", "TIME",
                   "the Date to show, for a row that was not tried yet, as TIME or as a message has it; default now")},
           {Option("recipients", "FILE", "offline: the recipients"),
            Option("format", "FORMAT", "offline: csv, tsv or ndjson; default: what the file's name says, else csv"),
            Repeated("default", "COLUMN=VALUE",
                     "offline: what an empty column, or one that the file does not have, counts as")}),
       RunCampaignPreview},
      {"campaign",
       "preflight",
       "NAME",
       "Look at a campaign before a byte of it is sent",
       "Where its mail would go and what TLS is offered there, by provider and destination; who cannot meet the TLS "
       "policy; whether the DKIM keys, SPF, the sources' PTR records and the unsubscribe URL are as receivers want "
       "them; who is suppressed; and when the last row could leave under the limits. Asks the DNS, and opens "
       "connections to the hosts with the most rows that say EHLO, STARTTLS and QUIT, never MAIL. `fail` is what has "
       "to be mended here, `warn` what receivers do or could not be found out. Takes two minutes at most. Exit 65: "
       "something fails.",
       "sealift campaign preflight spring",
       {},
       RunCampaignPreflight},
      {"campaign",
       "test",
       "NAME",
       "Send one real message of a campaign to a tester",
       "It goes the whole way, to an address that node.test_recipients allows, with made-up values unless a row is "
       "named. It is a campaign of its own, NAME.test-1, so nothing of the campaign's counters moves; suppressions "
       "bind it. Waits for the first attempt, a minute at most. Exit 0: delivered. 65: refused for good or "
       "suppressed. 75: it is tried again. 77: the address is not allowed.",
       "sealift campaign test spring --to qa@example.com",
       {Required("to", "ADDR", "who gets it"), Option("row", "N", "with the values of this data row; needs --reason"),
        Option("reason", "TEXT", "why a row's values are shown, for the audit file")},
       RunCampaignTest},
      {"campaign",
       "start",
       "NAME",
       "Start sending a loaded campaign",
       "",
       "sealift campaign start spring",
       {},
       RunCampaignStart},
      {"campaign",
       "pause",
       "NAME",
       "Stop sending a campaign, keeping its rows queued",
       "Messages whose transaction has begun are finished. One that was to start by itself (--start-at) is called off: "
       "`campaign resume` sends it.",
       "sealift campaign pause spring --reason 'wrong link'",
       {Option("reason", "TEXT", "why: `campaign show` and the audit file tell it")},
       RunCampaignPause},
      {"campaign",
       "resume",
       "NAME",
       "Go on sending a paused campaign",
       "",
       "sealift campaign resume spring --reason 'link corrected'",
       {Option("reason", "TEXT", "why: `campaign show` and the audit file tell it")},
       RunCampaignResume},
      {"campaign",
       "cancel",
       "NAME",
       "End a campaign: its queued rows are not sent",
       "They stay sealed for retention.settled_rows, while `queue replay --outcome cancelled` sends them after all; "
       "--erase cannot be undone, and erases what was sent of it by `campaign test` too. What is being sent ends "
       "first: where that takes longer than half a minute the answer "
       "is exit code 75, and it is cancelled by itself then. Asks first on a terminal; without one it needs --yes.",
       "sealift campaign cancel spring --dry-run",
       {Switch("erase", "also forget the campaign's data key, which makes its content unreadable for good"),
        Switch("dry-run", "only say how many rows it would cancel"), Switch("yes", "do not ask"),
        Option("reason", "TEXT", "why, for the audit file")},
       RunCampaignCancel},

      {"queue", "list", "", "List queued rows", "A page at a time; --after takes the cursor of the page before.",
       "sealift queue list --domain d1.test --limit 20",
       Filtered(
           {Option("limit", "N",
                   "rows in a page, up to 1000, and what is stored with the last of them, 15 at most; default 100"),
            Option("after", "CURSOR", "continue a page"), Reveal()}),
       RunQueueList},
      {"queue", "shape", "", "Show queued rows by destination and age", "Those with the most first.",
       "sealift queue shape --everything",
       Filtered({Option("limit", "N",
                        "at most so many destinations, up to 100000, and the others together; default 10000")}),
       RunQueueShape},
      {"queue", "retry", "", "Make rows that wait for another try due now, in the background",
       "Backoff, limits and windows still bind. With --rate they are due one after another, in no order, and each "
       "waits as it did until its time comes: the job's progress tells of those that are due by now (or within a "
       "second; where all of them take long to look through, within up to a minute), cancelling it leaves the rest, "
       "and a stop is not made up for. What is due sooner than that anyway stays as it is.",
       "sealift queue retry --domain d1.test --reason 'their outage is over'",
       Filtered({Required("reason", "TEXT", "why, for its record and the audit file"),
                 Option("rate", "RATE", "how fast they become due: 100/s; default all at once"),
                 Switch("dry-run", "only say how many rows it would move"), NothingToAsk()}),
       RunQueueRetry},
      {"queue", "hold", "", "Keep rows from being sent until they are released",
       "Rows that arrive later are held too, also from a replay, which leaves them settled where the hold is on whole "
       "domains, providers, streams or campaigns, and where it asks about rows brings them back to be held. A class, "
       "an "
       "age and a state are those of the queue: what a replay brings back was never tried. It survives a restart; "
       "suppressions and expiry bind held rows as before. With --source rows do not leave from that source, and go on "
       "from the others of their pool.",
       "sealift queue hold --campaign spring --domain d1.test --reason 'wrong link' --for 2h",
       Filtered({Required("reason", "TEXT", "why, for its history and the audit file"),
                 Option("for", "DURATION", "it ends by itself then"),
                 Switch("dry-run", "only say how many rows it would bind now"), NothingToAsk()}),
       RunQueueHold},
      {"queue", "route", "", "Send rows from the sources of another pool",
       "Rows that arrive later too, until it is released. Limits, backoff and signatures are those of the sources that "
       "they leave from. Of several that mean a row the one that was given last decides.",
       "sealift queue route --domain d1.test --to-pool warm --reason 'ip1 is blocked there'",
       Filtered({Required("to-pool", "NAME", "the pool"),
                 Required("reason", "TEXT", "why, for its history and the audit file"),
                 Option("for", "DURATION", "it ends by itself then"),
                 Switch("dry-run", "only say how many rows it would bind now"), NothingToAsk()}),
       RunQueueRoute},
      {"queue", "release", "", "End holds and routes",
       "Every one whose rows all lie within the filter: --campaign spring also ends one on --campaign spring --domain "
       "d1.test, and --domain d1.test one on a recipient there, but none of them one on everything. Backoff, limits "
       "and windows still bind. Asks first on a terminal. With --state "
       "in_doubt no hold is ended: rows that are kept because they may have arrived are sent again, which without a "
       "terminal needs --yes; on a node that was restored from a backup, where every row is in doubt, all of them.",
       "sealift queue release --campaign spring --reason 'link is mended'",
       Filtered({Option("hold", "ID", "this one alone, of whatever kind: h12"),
                 Required("reason", "TEXT", "why, for its history and the audit file"),
                 Switch("dry-run", "only say what it would release"), Switch("yes", "do not ask")}),
       RunQueueRelease},
      {"queue",
       "holds",
       "",
       "List holds, routes and suspensions that are in force",
       "The newest first. -o json has each one's history.",
       "sealift queue holds",
       {Switch("all", "those that have ended too"), Reveal()},
       RunQueueHolds},
      {"queue", "bounce", "", "Bounce queued rows, in the background",
       "Those that were accepted before; what is being sent already ends first. They are told of as bounced, with the "
       "class operator, and suppress nobody. Asks first on a terminal; without one it needs --yes.",
       "sealift queue bounce --campaign spring --domain d1.test --reason 'domain is gone' --dry-run",
       Filtered({Required("reason", "TEXT", "why, for its record and the audit file"),
                 Switch("dry-run", "only say how many rows it would move"), Switch("yes", "do not ask")}),
       RunQueueBounce},
      {"queue", "expire", "", "Expire queued rows, in the background", "As `queue bounce`, told of as expired.",
       "sealift queue expire --older-than 2d --reason 'no use any more' --yes",
       Filtered({Required("reason", "TEXT", "why, for its record and the audit file"),
                 Switch("dry-run", "only say how many rows it would move"), Switch("yes", "do not ask")}),
       RunQueueExpire},
      {"queue", "replay", "", "Send settled rows again, in the background",
       "Rows that bounced, expired or were cancelled with their campaign are accepted anew while "
       "retention.settled_rows keeps them: never whom a suppression binds, never the class bad_mailbox, never what was "
       "in doubt when it expired or was cancelled. A campaign that was cancelled, and not erased, runs again with the "
       "first of its rows; what the filter does not name of it stays cancelled. One that was loaded under the other "
       "delivery mode is left. They go one after another at --rate; by default, to each destination, at a tenth of the "
       "lowest rate that limits it, a warm-up's day among them (100/s where none does). Those whose time has not come "
       "stay settled: the job's progress tells of those that went, cancelling it leaves the rest, and a stop, a pause "
       "or a hold is not made up for. What was kept when it was ordered is "
       "kept "
       "until it ends; `gone` counts rows that were not there any more, as of an erased campaign. The same command "
       "again sends nothing twice. Asks first on a terminal; without one it needs --yes.",
       "sealift queue replay --provider microsoft --outcome bounced --class policy --matching S3150 --since now-2h "
       "--reason 'delisted' --dry-run",
       Filtered({{.name = "outcome",
                  .value = "bounced|expired|cancelled",
                  .help = "how they ended; of bounced ones --class too, for rows that were refused for one reason",
                  .required = true},
                 Option("matching", "REGEX",
                        "only those whose last reply matches, as `match` of a [[rule]] does: '4\\.7\\.28'"),
                 Option("since", "TIME", "only those that ended since: 2026-12-01T09:00:00Z, now-2h"),
                 Option("rate", "RATE", "how fast they go: 50/m"),
                 Option("expires-in", "DURATION", "counted from their due time; default as their campaign's"),
                 Required("reason", "TEXT", "why, for its record and the audit file"),
                 Switch("dry-run", "only say how many rows it would move"),
                 Switch("yes", "do not ask")}),
       RunQueueReplay},
      {"queue",
       "jobs",
       "",
       "List jobs: bounces, expiries, retries and replays",
       "The newest first.",
       "sealift queue jobs",
       {Reveal()},
       RunQueueJobs},
      {"queue",
       "job",
       "ID",
       "Show one job's progress, or cancel it",
       "What a cancelled job has moved stays moved.",
       "sealift queue job j3 --cancel --reason 'wrong class'",
       {Switch("cancel", "end it"), Option("reason", "TEXT", "why, for the audit file")},
       RunQueueJob},

      {"source", "list", "", "List sending addresses and their state", "", "sealift source list", {}, RunSourceList},
      {"source",
       "show",
       "NAME",
       "Show a sending address: limits, suspensions, where it is blocked, last replies",
       "",
       "sealift source show ip1",
       {},
       RunSourceShow},
      {"source",
       "suspend",
       "NAME",
       "Send nothing from a source, or nothing to one provider",
       "Rows go on from the other sources of their pool; where there is none they wait. It survives a restart.",
       "sealift source suspend ip1 --provider microsoft --for 4h --reason 'S3150'",
       {Option("provider", "NAME", "only to hosts of this provider"),
        Option("for", "DURATION", "it ends by itself then"),
        Required("reason", "TEXT", "why, for its history and the audit file"),
        Switch("dry-run", "only say how many rows it would bind now"), NothingToAsk()},
       RunSourceSuspend},
      {"source",
       "resume",
       "NAME",
       "End suspensions of a source",
       "All of them, or with --provider those for that provider: what operators have ordered, and what replies have "
       "put on "
       "it. After the latter it goes on as slowly as after any such suspension, and the next reply counts anew. Asks "
       "first on a terminal.",
       "sealift source resume ip1 --provider microsoft --reason 'they delisted us'",
       {Option("provider", "NAME", "only the suspension for this provider"),
        Required("reason", "TEXT", "why, for its history and the audit file"),
        Switch("dry-run", "only list what it would end"), Switch("yes", "do not ask")},
       RunSourceResume},
      {"source",
       "warmup",
       "NAME",
       "Show where a sending address stands in its warm-up, or move it",
       "A line for each provider of its plan, and for each other site that it has sent to. A day leads to the next "
       "when "
       "at least half of its volume was sent and no reply slowed the source; --freeze keeps it where it is, --set-day "
       "moves it at once. What was sent today stays counted.",
       "sealift source warmup ip1 --provider google --set-day 3",
       {Option("provider", "NAME", "only this one, as the list names it"),
        Option(
            "set-day", "N",
            "go on from that day of the plan; one behind the last ends it, or is the last where `then` is \"repeat\""),
        Switch("freeze",
               "repeat the present day until --unfreeze; without --provider wherever it begins meanwhile, too"),
        Switch("unfreeze", "let days advance again"),
        Option("reason", "TEXT", "why, for the list, explanations and the audit file")},
       RunSourceWarmup},

      {"domain",
       "list",
       "",
       "List domains that have rows queued",
       "Those with the most first.",
       "sealift domain list --limit 20",
       {Option("limit", "N", "at most so many, up to 10000; default 100")},
       RunDomainList},
      {"domain",
       "show",
       "DOMAIN",
       "Show a domain's hosts, provider, sessions and last replies",
       "",
       "sealift domain show d1.test",
       {},
       RunDomainShow},
      {"domain",
       "explain",
       "DOMAIN",
       "Say why mail to a domain goes as it does",
       "Every limit on it now, the first that binds, who set it, the last replies, and when it next goes on. With -o "
       "csv "
       "the reasons why rows wait, one a line.",
       "sealift domain explain d1.test",
       {},
       RunDomainExplain},
      {"throttle",
       "list",
       "",
       "List every limit in force, and who set it",
       "Those that no mail has asked for yet are in `config show`.",
       "sealift throttle list",
       {},
       RunThrottleList},
      {"throttle",
       "explain",
       "[LIMIT]",
       "Say what a limit is, who set it, and when it next allows",
       "LIMIT is as `throttle list` calls it; without one, every limit that keeps rows waiting now.",
       "sealift throttle explain 'source ip1'",
       {},
       RunThrottleExplain},
      {"throttle",
       "resume",
       "LIMIT",
       "End a suspension that replies have put on mail",
       "LIMIT is as `throttle list` calls it: one that keeps mail back from a provider, a pool, a stream or a "
       "campaign, "
       "or from a source (`source resume` ends all of a source's). It goes on as slowly as after any such suspension, "
       "and the next reply counts anew. What operators have ordered is ended by `queue release`. Asks first on a "
       "terminal.",
       "sealift throttle resume 'backoff everything to google' --reason 'the rule was too wide'",
       {Required("reason", "TEXT", "why, for the audit file"), Switch("dry-run", "only list what it would end"),
        Switch("yes", "do not ask")},
       RunThrottleResume},
      {"message",
       "find",
       "",
       "List the messages to an address",
       "In every campaign that is remembered, with the state of each. To look for a person is written to the audit "
       "file, "
       "with the reason and without the address.",
       "sealift message find --recipient jane@d1.test --reason 'ticket 4711: she got nothing'",
       {Required("recipient", "ADDR", "whose messages"), Required("reason", "TEXT", "why, for the audit file"),
        Reveal()},
       RunMessageFind},
      {"message",
       "show",
       "ID",
       "Show one message's state",
       "ID is what `message trace` takes, which also shows every attempt.",
       "sealift message show '<id@mta1.example.com>'",
       {Reveal()},
       RunMessageShow},
      {"message",
       "trace",
       "ID",
       "Show one message's state and every attempt",
       "ID is its Message-ID, with or without the angle brackets; or the envelope sender that a bounce came back to, "
       "whole, which is verified. With -o csv the attempts, one a line.",
       "sealift message trace '<id@mta1.example.com>'",
       {Reveal()},
       RunMessageTrace},
      {"events",
       "",
       "",
       "Print outcomes, oldest first, a JSON object a line",
       "Each line has a durable cursor: pass the last one that you processed as --after and you see every later "
       "outcome at "
       "least once. A cancelled campaign is one line for all that it had queued, of the class campaign_cancelled or "
       "campaign_erased, without a recipient.",
       "sealift events --campaign spring --outcome bounced",
       {Switch("follow", "go on as they happen"), Option("after", "CURSOR", "only later ones"),
        Option("campaign", "NAME", "only of this campaign"),
        Option("since", "TIME", "only since: 2026-12-01T09:00:00Z, now-2h"),
        Option("outcome", "delivered|deferred|bounced|expired|suppressed|cancelled", "only these"),
        Option("limit", "N", "at most so many"), Reveal()},
       RunEvents},

      {"suppression", "add", "ADDR", "Send an address no more mail",
       "It holds for every stream and campaign unless one is named. The kind decides what it binds: opt_out and "
       "complaint "
       "bind marketing streams and never transactional ones; hard_bounce and manual bind every mail. Case does not "
       "matter, nor whether a domain is written in its own letters or as xn--. Nothing is sent to it from the moment "
       "that the command returns, and that survives a crash.",
       "sealift suppression add jane@d1.test --kind opt_out --reason 'asked by phone'",
       Suppressions("why; default manual", "only in this stream", "only in this campaign, loaded already or not",
                    {Option("reason", "TEXT", "for the history and the audit file")}),
       RunSuppressionAdd},
      {"suppression",
       "unsubscribe",
       "TOKEN",
       "Opt out whoever got the message that a token came in",
       "TOKEN is what List-Unsubscribe hands out: `token=` of the unsubscribe_url, or the word behind `unsubscribe` in "
       "the subject of a mail to unsubscribe_mailto. It is verified, leads to its message and so to the recipient, who "
       "is opted out of that message's stream; the same token again changes nothing. - reads tokens from standard "
       "input, one a line, and answers each. Exit 3: some were refused, the rest holds.",
       "sealift suppression unsubscribe hq3v5k2m7rjd4x6wnb2ztcgy4epo3sluafiq6d5m2w",
       {Option("reason", "TEXT", "for the history and the audit file")},
       RunSuppressionUnsubscribe},
      {"suppression", "remove", "ADDR", "Take suppressions of an address back",
       "Nothing is deleted: the removal is a new entry of its history, with the reason. Only what holds everywhere is "
       "taken back unless a stream or campaign is named. Asks first on a terminal.",
       "sealift suppression remove jane@d1.test --kind hard_bounce --reason 'mailbox is back'",
       Suppressions("only of this kind; default every kind", "what holds in this stream", "what holds in this campaign",
                    {Required("reason", "TEXT", "why, for the history and the audit file"),
                     Switch("dry-run", "only say how many it would take back"), Switch("yes", "do not ask")}),
       RunSuppressionRemove},
      {"suppression",
       "check",
       "ADDR",
       "Say whether an address gets mail",
       "Of any stream or campaign, with those of which it gets nothing, unless one is named. Exit 0 either way.",
       "sealift suppression check jane@d1.test --stream newsletter -o json",
       {Option("stream", "NAME", "as a mail of this stream"), Option("campaign", "NAME", "as a mail of this campaign")},
       RunSuppressionCheck},
      {"suppression",
       "history",
       "ADDR",
       "Show everything that was said of an address",
       "Every suppression and removal with its time, its reason and, of a bounce, the reply. `key` is what the audit "
       "file "
       "calls the address.",
       "sealift suppression history jane@d1.test",
       {},
       RunSuppressionHistory},
      {"suppression", "list", "", "List suppressions that are in force",
       "A page at a time; --after takes the cursor of the page before. The order says nothing.",
       "sealift suppression list --kind hard_bounce --limit 20",
       Suppressions("only of this kind", "only those that hold in this stream", "only those that hold in this campaign",
                    {Option("limit", "N", "in a page, up to 1000; default 100"),
                     Option("after", "CURSOR", "continue a page"), Reveal()}),
       RunSuppressionList},
      {"suppression", "import", "FILE", "Suppress every address of a CSV file",
       "A header row and a column `email`; columns kind, stream, campaign, reason, time, source, provider, class and "
       "reply "
       "are read where they are, as `suppression export` writes them. - is standard input. The file may have any "
       "length; "
       "the command ends when all of it is on disk. What is in force already stays as it is, so the same file again "
       "adds "
       "nothing. Exit 3: some rows were rejected, the rest holds.",
       "sealift suppression import unsubscribed.csv --kind opt_out --rejects rejects.csv",
       Suppressions("of rows that do not say theirs; needed when there is no such column", "only in this stream",
                    "only in this campaign",
                    {Option("reason", "TEXT", "for the history and the audit file"),
                     Option("rejects", "FILE", "where rejected rows are listed: line, column, reason")}),
       RunSuppressionImport},
      {"suppression", "export", "", "Print suppressions that are in force, as CSV",
       "What `suppression import` reads. It holds whole addresses, so it needs --reveal and is written to the audit "
       "file. -o ndjson prints an object a line, -o json one document {\"suppressions\": [...]}. What only the sink "
       "said is left out.",
       "sealift suppression export --reveal > suppressions.csv",
       Suppressions("only of this kind", "only those that hold in this stream", "only those that hold in this campaign",
                    {Reveal()}),
       RunSuppressionExport},
      {"suppression",
       "undo",
       "",
       "Take back the hard bounces that a source was told",
       "For when hosts that had blocked a source said that nobody is there. Asks first on a terminal; without one it "
       "needs "
       "--yes.",
       "sealift suppression undo --source ip1 --since now-2h --until now --provider google --reason 'they blocked us' "
       "--dry-run",
       {Required("source", "NAME", "the sending source that was told"),
        Required("since", "TIME", "from this time on: 2026-12-01T09:00:00Z, now-2h"),
        Required("until", "TIME", "and before this one: now"),
        Option("provider", "NAME", "only by hosts of this provider"),
        Required("reason", "TEXT", "why, for the history and the audit file"),
        Switch("dry-run", "only say how many it would take back"), Switch("yes", "do not ask")},
       RunSuppressionUndo},
      {"bounce",
       "ingest",
       "FILE",
       "Take in bounces and complaints that came back by mail",
       "FILE is one mail or an mbox of any number; - is standard input. Read are delivery status notifications (RFC "
       "3464) and feedback reports (RFC 5965), each for the row that its envelope sender b+TOKEN@... names, a "
       "complaint also for that of the returned Message-ID. A failed delivery makes the row bounced, and suppresses "
       "its recipient where the reply says that there is no such mailbox; a complaint suppresses for marketing "
       "streams. The same file again changes nothing more. Counts: bounces; complaints; delayed (still under way "
       "there); auto_replies (no report at all); other (reports that ask for nothing, and what is no mail: a file with "
       "nothing else is 65); unknown (no token of this node, or nothing is known of the row any more); known (taken in "
       "before).",
       "sealift bounce ingest --format auto /var/mail/bounces",
       {Option("format", "dsn|arf|auto",
               "only delivery status notifications, only feedback reports, or both; default "
               "auto"),
        Option("reason", "TEXT", "for the audit file, and the history of who complained")},
       RunBounceIngest},
      {"tls",
       "probe",
       "DOMAIN",
       "Look at what a destination offers, and what would become of mail to it",
       "Its MX hosts, and of each: whether it offers STARTTLS, which versions and cipher, whom its certificate names "
       "and until when, and whether it publishes DANE; the domain's MTA-STS policy; and for each policy that a stream "
       "may have whether mail would be sent, and what would decide. Asks the DNS and connects to the hosts as sending "
       "does, up to EHLO; no mail is spoken of. Takes a minute at most. Only where delivery is \"live\".",
       "sealift tls probe example.com",
       {},
       RunTlsProbe},
      {"tls",
       "report",
       "",
       "Show how the TLS of mail to each domain fared today",
       "By domain and policy (tlsa is DANE, sts is MTA-STS): sessions that succeeded, and those that failed with why, "
       "where and from which address: what the domain's report (RFC 8460) will say. A day is one of UTC; one that was "
       "reported is shown by `tls reports`.",
       "sealift tls report --domain example.com",
       {Option("date", "DAY", "2026-11-27; default today"), Option("domain", "DOMAIN", "of this one only")},
       RunTlsReport},
      {"tls",
       "reports",
       "[NAME]",
       "List the reports about TLS that were made, or show one",
       "Those of the last days, as [tls_report] keep says. NAME is as the list has it; it is shown as JSON.",
       "sealift tls reports --date 2026-11-27",
       {Option("date", "DAY", "of this day (UTC) only"), Option("domain", "DOMAIN", "about this one only")},
       RunTlsReports},
      {"tls",
       "send-report",
       "",
       "Make and send the reports of a day now",
       "Instead of waiting for the night: to see that [tls_report] is right, or to report a day again that could not "
       "be "
       "reported. Of today it reports what was counted so far, and counts on from there; nothing is reported twice.",
       "sealift tls send-report --reason 'first report of this node'",
       {Option("date", "DAY", "2026-11-27; default today"), Required("reason", "TEXT", "why, for the audit file")},
       RunTlsSendReport},
      {"dkim",
       "generate",
       "FILE",
       "Make a DKIM key and print the DNS record that publishes it",
       "FILE is made with mode 0600 and never overwritten. To change keys without a gap: generate the new one under a "
       "new selector, publish its record, add its [[dkim]] behind the one in use and reload; once `dkim check` says "
       "that "
       "it matches, move it to the front and reload; a week later take away the old block and its record.",
       "sealift dkim generate /etc/sealift/s1.pem --domain example.com --selector s1",
       {Required("domain", "DOMAIN", "the domain that signs: that of the From address, or above it"),
        Required("selector", "SELECTOR", "a name for this key, new to the domain: s1, 2026q4"),
        Option("algorithm", "rsa|ed25519", "default rsa; have one of each, for not all receivers know ed25519"),
        Option("bits", "2048|3072|4096", "of an RSA key; default 2048")},
       RunDkimGenerate},
      {"dkim",
       "check",
       "[DOMAIN]",
       "Compare the configured DKIM keys with what the DNS publishes",
       "Reads the configuration file and its key files, and asks the DNS servers that it names. STATE is one of: "
       "matches; missing (no record); differs (another key, or a record that forbids the use); revoked (an empty p=); "
       "unclear (several records, or text that is none); dns_failed (ask again later); no_key (the key file cannot be "
       "used). Exit 0: all match. 65: some do not. 75: the DNS could not be asked, the others match.",
       "sealift dkim check example.com",
       {},
       RunDkimCheck},

      {"config",
       "check",
       "",
       "Check a configuration file without a daemon",
       "Lists every mistake with its file, line and column. Whether the machine has what it names, the keys, "
       "certificates "
       "and addresses, is for `sealiftd --check` to say, as the daemon's user.",
       "sealift config check --config /etc/sealift/sealift.toml",
       {},
       RunConfigCheck},
      {"config",
       "show",
       "",
       "Show the configuration in force",
       "Every key with its value and where it was set, from the running daemon; with --file from the file alone. "
       "As TOML, or a setting a row with -o; a value is as TOML has it, and empty where it is not set.",
       "sealift config show --effective",
       {Switch("effective", "defaults included (always so)"),
        Switch("file", "read the file instead of asking the daemon")},
       RunConfigShow},
      {"config",
       "diff",
       "",
       "Show what a reload would change",
       "Compares the file with what the running daemon has in force, setting by setting: what it was, what it would "
       "be, "
       "and whether a reload adopts it or only a restart, which then refuses the whole reload. WEAKER names those that "
       "weaken a TLS policy and need `reload --allow-weaker --reason TEXT`. Nothing is changed. Exit 0, whether there "
       "are differences or not; 78 when the file has a mistake.",
       "sealift config diff -o json",
       {},
       RunConfigDiff},
      {"reload",
       "",
       "",
       "Make the daemon read its configuration again",
       "A file with a mistake, or a change that needs a restart, changes nothing.",
       "sealift reload",
       {Switch("allow-weaker", "accept a weaker TLS policy; needs --reason"),
        Option("reason", "TEXT", "why, for the audit file")},
       RunReload},
      {"audit",
       "tail",
       "",
       "Show the latest entries of the audit file",
       "",
       "sealift audit tail --lines 20",
       {Option("lines", "N", "how many; default 20")},
       RunAuditTail},
      {"audit",
       "verify",
       "",
       "Check that no line of the audit file was changed or removed",
       "Each line carries the digest of the one before it.",
       "sealift audit verify",
       {},
       RunAuditVerify},
      {"audit",
       "export",
       "",
       "Print the whole audit file",
       "A JSON line an entry, oldest first and as it is written, each with the digest of the line before it: what is "
       "kept elsewhere shows whether lines were cut off here. -o json prints one document {\"entries\": [...]}. The "
       "file is "
       "verified first; the export is an entry itself.",
       "sealift audit export > audit.ndjson",
       {},
       RunAuditExport},
      {"backup",
       "create",
       "",
       "Write a backup of the queue while everything goes on",
       "It is what the queue was at one moment, sealed with the key of [backup], in a new file in backup.dir. "
       "Incremental copies are not made. Take the events and suppressions exports too: a restore needs those made "
       "since.",
       "sealift backup create",
       {},
       RunBackupCreate},
      {"backup",
       "list",
       "",
       "List the backups in backup.dir",
       "Needs no daemon. Exit 3: some cannot be opened, NOTE says why.",
       "sealift backup list",
       {},
       RunBackupList},
      {"backup",
       "verify",
       "FILE",
       "Show that a backup can be restored",
       "Restores it beside the file (or into --scratch), reads every table with its checksums, opens every campaign, "
       "and "
       "removes it again: it takes as much space as the backup. Needs no daemon. Exit 65: it was damaged or changed; "
       "78: its key is not the one that is "
       "configured, or bytes 18 to 49, which say so, were changed.",
       "sealift backup verify /mnt/backup/mta1.example.com-20261201T040000.000Z.backup",
       {Option("scratch", "DIR", "where it is restored for it; must not be there")},
       RunBackupVerify},
      {"backup",
       "restore",
       "FILE",
       "Restore a backup into an empty data directory",
       "Run it as the daemon's user while no daemon runs. The backup opens with the key of [backup] alone; the "
       "restored "
       "queue opens with that of [keys], which may be another than the lost node's. Every queued row is then in doubt, "
       "and "
       "the daemon neither sends nor accepts a load until `backup reconcile`.",
       "sealift backup restore /mnt/backup/mta1.example.com-20261201T040000.000Z.backup",
       {},
       RunBackupRestore},
      {"backup",
       "reconcile",
       "",
       "Tell a restored node what happened since its backup was taken",
       "Rows that have an outcome in the events are settled with it; who is on the suppressions is suppressed; a "
       "campaign "
       "that was loaded since is not loaded again, and a load that was under way ends where the backup has it. A "
       "campaign that was cancelled or erased since is so here too; one that was paused since is not, and is among "
       "those that are listed as going on: pause it first. Then the rest is sent. Both files are what was exported on "
       "the lost node, last before it was lost: what was sent after "
       "the "
       "newest event is sent again. Nothing is released when a line cannot be read, or when events are missing: each "
       "line "
       "says in `after` which event went before it. Asks first on a terminal; without "
       "one "
       "it needs --yes.",
       "sealift backup reconcile --events events.ndjson --suppressions suppressions.csv",
       {Option("events", "FILE",
               "what `sealift -o ndjson events --reveal` printed; masked, nobody who was mailed since can unsubscribe "
               "by it, "
               "and caps do not count it; plain, gzip or zstd"),
        Option("suppressions", "FILE", "what `sealift suppression export --reveal` printed"),
        Option("reason", "TEXT", "why, for the audit file"),
        Switch("incomplete", "go on though events are missing: what was sent then is sent again; needs --reason"),
        Option("taken-back", "N",
               "so many suppressions of the backup are not in the file because they were taken back"),
        Switch("dry-run",
               "only say how many rows it would settle, how many addresses suppress, and what be left to send"),
        Switch("yes", "do not ask")},
       RunBackupReconcile},
      {"key",
       "rotate",
       "FILE",
       "Change the key that opens the queue",
       "FILE holds the next key (`sealift key init FILE` makes one), readable by the daemon, and never the one that "
       "seals backups. From then on either key "
       "opens "
       "the queue; once sealiftd was started with the next one in [keys] only that one does. Data keys are wrapped "
       "anew "
       "in one write, rows are not touched, backups do not mind.",
       "sealift key rotate /etc/sealift/kek-2027",
       {Option("reason", "TEXT", "why, for the audit file")},
       RunKeyRotate},
      {"key",
       "show",
       "",
       "Name the keys in use",
       "By fingerprints, which say nothing of a key: of the one that the configuration names, the one that the running "
       "daemon opened the queue with, and the one that a rotation waits for.",
       "sealift key show",
       {},
       RunKeyShow},
      {"key",
       "init",
       "FILE",
       "Write a new key encryption key",
       "32 random bytes, mode 0600; a file that is there is never overwritten. Keep a copy where the data is not: "
       "without it "
       "nothing in the queue can be read again.",
       "sealift key init /etc/sealift/kek",
       {},
       RunKeyInit},
      {"doctor",
       "",
       "",
       "Check the installation and the running node",
       "With the daemon or without it, and changing nothing: the configuration; the key file, its mode and its device; "
       "the "
       "data directory's mode; free disk against [storage]; the age of the newest backup; the clock; io_uring; "
       "descriptors "
       "against the connections of all sources; locked memory; core dumps; whether this machine has the sources' "
       "addresses; "
       "and, where delivery is \"live\", the resolver, the PTR record of each source and the published DKIM keys; in "
       "sink "
       "mode whether the sink answers; with --reach, whether each source reaches a mail server of that domain, from "
       "its "
       "own address and up to the greeting, and never further; the "
       "daemon, and whether it has the version of this program. Each is ok, warning, failed or skipped, with what was "
       "found "
       "and what to do. Exit 0: nothing failed. 78: something of the configuration, its keys, its sources or what the "
       "machine grants did. Else 74: the disk or the audit file. Else 75: what may pass, the resolver, who is not "
       "reached, or a daemon "
       "that is "
       "not ready.",
       "sealift doctor --reach example.com",
       {Option("reach", "DOMAIN", "connect to its MX hosts from each source; without it nobody is connected to")},
       RunDoctor},
      {"top",
       "",
       "",
       "Watch the node as it works",
       "Messages a second since the last refresh (delivered, deferred, bounced), the queue and what its rows wait for, "
       "the "
       "busiest destinations (a provider, or `other`) and sources, commits and memory. On a terminal it refreshes "
       "until "
       "Ctrl-C, which gives the terminal back (exit 130); with --once, with another -o than table, or without a "
       "terminal it "
       "prints one snapshot, over one --interval.",
       "sealift top --interval 1s",
       {Switch("once", "one snapshot"),
        Option("interval", "DURATION", "between refreshes; default 2s, at least 100ms")},
       RunTop},
      {"completion",
       "",
       "SHELL",
       "Print a completion script for bash or zsh",
       "",
       "source <(sealift completion bash)",
       {},
       RunCompletion},
      {"reference",
       "",
       "",
       "Print the reference page of all commands, in Markdown",
       "",
       "sealift reference > commands.md",
       {},
       RunReference},
      {"version",
       "",
       "",
       "Print the versions of this program and of the daemon",
       "Without a daemon only its own.",
       "sealift version",
       {},
       RunVersion},
  };
}

}  // namespace

const std::vector<Command>& CommandTree() {
  static const std::vector<Command> tree = MakeTree();
  return tree;
}

}  // namespace sealift::tools
