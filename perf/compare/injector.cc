// compare_injector hands personalised messages to an SMTP server, as an application in front of Postfix does: it puts
// each row's fields into the template and sends it over a few connections at once. It is written to cost next to
// nothing, so that what is measured is the server behind it.
//
//   compare_injector ADDRESS PORT CONNECTIONS TEMPLATE RECIPIENTS SENDER
//
// RECIPIENTS is a CSV without quoting whose first column is the recipient; TEMPLATE has {{column}} where a field goes.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void Die(const std::string& sentence) {
  fmt::print(stderr, "compare_injector: {}\n", sentence);
  std::exit(1);
}

std::string ReadFile(const char* path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) Die(fmt::format("cannot read {}", path));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A template cut at its fields: text, column, text, column, ..., text.
struct Template {
  std::vector<std::string> texts;
  std::vector<size_t> columns;

  Template(std::string_view source, const std::vector<std::string_view>& names) {
    for (size_t open = source.find("{{"); open != std::string_view::npos; open = source.find("{{")) {
      const size_t close = source.find("}}", open);
      if (close == std::string_view::npos) Die("a {{ without }} in the template");
      const std::string_view name = source.substr(open + 2, close - open - 2);
      size_t column = 0;
      while (column < names.size() && names[column] != name) ++column;
      if (column == names.size()) Die(fmt::format("the template names {}, which is no column", name));
      texts.emplace_back(source.substr(0, open));
      columns.push_back(column);
      source.remove_prefix(close + 2);
    }
    texts.emplace_back(source);
  }

  void Render(const std::vector<std::string_view>& fields, std::string& out) const {
    for (size_t i = 0; i < columns.size(); ++i) {
      out += texts[i];
      out += fields[columns[i]];
    }
    out += texts.back();
  }
};

class Connection {
 public:
  explicit Connection(const sockaddr_in& to) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) Die("cannot connect to the server");
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) Die("the server closed the connection");
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // Reads one reply, of any number of lines, which must have this code, and returns it.
  std::string Expect(int code) {
    std::string reply;
    while (true) {
      for (size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
        const std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        reply += line + '\n';
        if (line.size() >= 4 && line[3] == '-') continue;
        if (std::atoi(line.c_str()) != code) Die(fmt::format("expected {}, the server said: {}", code, line));
        return reply;
      }
      char bytes[4096];
      const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
      if (size <= 0) Die("the server closed the connection");
      buffer_.append(bytes, static_cast<size_t>(size));
    }
  }

 private:
  int fd_;
  std::string buffer_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) Die("usage: compare_injector ADDRESS PORT CONNECTIONS TEMPLATE RECIPIENTS SENDER");
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[2])));
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) Die("ADDRESS is not an IPv4 address");
  const std::string source = ReadFile(argv[4]);
  const std::string csv = ReadFile(argv[5]);
  const std::string sender = argv[6];
  std::vector<std::string_view> rows = Split(csv, '\n');
  while (!rows.empty() && rows.back().empty()) rows.pop_back();
  if (rows.empty()) Die("no rows");
  const Template message(source, Split(rows.front(), ','));

  std::atomic<size_t> next = 1;
  const int connections = std::max(std::atoi(argv[3]), 1);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(connections));
  for (int i = 0; i < connections; ++i) {
    threads.emplace_back([&] {
      Connection connection(to);
      connection.Expect(220);
      connection.Write("EHLO injector.test\r\n");
      const bool pipelining = connection.Expect(250).find("PIPELINING") != std::string::npos;
      std::string out;
      while (true) {
        const size_t row = next.fetch_add(1);
        if (row >= rows.size()) break;
        const std::vector<std::string_view> fields = Split(rows[row], ',');
        const std::string commands[] = {fmt::format("MAIL FROM:<{}>\r\n", sender),
                                        fmt::format("RCPT TO:<{}>\r\n", fields[0]), "DATA\r\n"};
        if (pipelining) connection.Write(commands[0] + commands[1] + commands[2]);
        for (int command = 0; command < 3; ++command) {
          if (!pipelining) connection.Write(commands[command]);
          connection.Expect(command == 2 ? 354 : 250);
        }
        out.clear();
        message.Render(fields, out);
        out += ".\r\n";
        connection.Write(out);
        connection.Expect(250);
      }
      // Everything is acknowledged; OpenSMTPD does not answer every QUIT that comes while others do.
      connection.Write("QUIT\r\n");
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}
