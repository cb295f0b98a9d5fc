// Writes the database that databases/ keeps one of for each format: queue_database_writer DIRECTORY
#include <cstdio>

#include "tests/queue/stored_database.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY, which is there and empty\n", argv[0]);
    return 64;
  }
  sealift::queue::StoredDatabase database;
  database.Write(argv[1]);
  return testing::Test::HasFailure() ? 1 : 0;
}
