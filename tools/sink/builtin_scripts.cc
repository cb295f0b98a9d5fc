#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {

const std::string_view kScriptReference =
    R"toml(# Every key of a sink script. A key that is left out has the value shown here, unless the line says otherwise.
port = 0              # of all SMTP servers; 0: the kernel chooses one and the `ready` line says which
seed = 1              # of the shares below
time_scale = 1        # policies (rates, blocks, greylist, from, until) run so many times faster than written

[[provider]]          # one behaviour; the domains that show it and the hosts that serve them
name = "all"          # required
domains = ["d{1..3}.test"]   # required; ranges, under .test or .example; "*" takes every domain
mx = [{ host = "mx1.all.test", address = "127.0.1.1", preference = 10, connect = "accept" }]
                      # default: one host, mx.NAME.test, at the next free address from 127.0.1.1 on
connect = "accept"    # of hosts that do not say: accept, refuse, hang (accepts, never speaks), close
dns = "mx"            # mx, address (no MX, implicit), null-mx, nxdomain, nodata, servfail, refused, silent, loop
dns_until = "0s"      # default: for ever; after that time it answers as "mx"
ttl = "60s"           # of its DNS answers, the negative ones too
txt = []              # records beneath each domain: "_smtp._tls v=TLSRPTv1; rua=mailto:tls@d1.test";
                      # up to 4096 bytes of text, such as the key of `sealift dkim generate`
dns_signed = false    # true: they come as those of a signed zone do from a resolver that has validated it (AD)
tls = "on"            # on, off, required, refused (454), broken (220, then no TLS), hang (220, then nothing)
certificate_name = ""         # default: the host's name
certificate_expired = false
tls_max_version = "1.3"
tls_suites = []       # the only ones that are spoken, by OpenSSL's names; default: OpenSSL's choice
latency = "0s"        # of every reply, as a long line has: what arrives meanwhile is read
pipelining = true     # offered
chunking = true
eight_bit = true
requiretls = false    # offered, within TLS
size = "50MiB"
extensions = []       # further lines of the EHLO reply
greylist = "0s"       # a recipient is deferred until so long after the first attempt
connections = 1000            # default of these four: no limit; each is counted for one source address
connection_rate = "10000/s"
message_rate = "100000/s"
messages_per_connection = 100000

[[provider.limit]]    # the same four with more to say
what = "messages"     # messages, connects (with rate), connections, messages_per_connection (with count)
rate = "100000/m"
per_source = true
block = "0s"          # how long the source is turned away once it broke the limit
reply = "450 4.7.1 Too many messages, slow down"
then = "continue"     # continue, close, reset, hang

[[provider.rule]]     # a reply of its own; the first rule of a phase whose conditions all hold
at = "rcpt"           # greeting, ehlo, starttls, mail, rcpt, data, body (after the final dot), rset, quit
local = "bounce*"     # recipients of this form; default: all
share = 0.5           # of them, always the same ones; default: 1
first = 0             # only the first so many times a recipient gets there; 0: always
tls = true            # only within TLS; false: only in clear; default: both
from = "0s"           # since the sink's start
until = "10h"         # default: for ever
reply = "550 5.1.1 No such user"
pause = "0s"          # before the reply; without a reply, before the usual one
drip = "0s"           # between two bytes of it
times = 1             # sends it so often
then = "continue"

[[provider.rule]]
at = "quit"
raw = "221 bye\n"     # instead of reply: these very bytes, with nothing added
)toml";

const std::string_view kDemoScript = R"toml(# What a sender meets every day, on sixty domains.
[[provider]]
name = "northmail"            # large and well-behaved
domains = ["d{1..25}.test"]
mx = [{ host = "mx1.northmail.test", preference = 10 }, { host = "mx2.northmail.test", preference = 20 }]

[[provider]]
name = "clinic"
domains = ["d{26..50}.test"]

[[provider]]
name = "greylister"           # defers each recipient's first attempt
domains = ["d{51..52}.test"]
greylist = "3s"

[[provider]]
name = "leavers"              # one recipient in twenty is gone
domains = ["d{53..54}.test"]
[[provider.rule]]
at = "rcpt"
share = 0.05
reply = "550 5.1.1 No such user here"

[[provider]]
name = "quota"                # one mailbox in ten is full, and stays so
domains = ["d55.test"]
[[provider.rule]]
at = "rcpt"
share = 0.1
reply = "452 4.2.2 Mailbox full"

[[provider]]
name = "cleartext"            # has no TLS
domains = ["d56.test"]
tls = "off"

[[provider]]
name = "slow"
domains = ["d{57..58}.test"]
latency = "20ms"

[[provider]]
name = "narrow"               # minds how many at once and how fast
domains = ["d59.test"]
connections = 5
message_rate = "50/s"

[[provider]]
name = "patchy"               # its first host is down; the second serves
domains = ["d60.test"]
mx = [{ host = "mx1.patchy.test", preference = 10, connect = "refuse" }, { host = "mx2.patchy.test", preference = 20 }]
)toml";

const std::string_view kCatchAllScript = R"toml([[provider]]
name = "all"
domains = ["*"]
mx = [{ host = "sink.test", address = "127.0.0.1" }]
)toml";

}  // namespace sealift::tools::sink
