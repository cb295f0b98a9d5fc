#include "queue/private_file_system.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace sealift::queue {
namespace {

rocksdb::IOStatus Own(const std::string& path) {
  if (::chmod(path.c_str(), 0600) == 0) return rocksdb::IOStatus::OK();
  return rocksdb::IOStatus::IOError("cannot chmod 0600 " + path, std::strerror(errno));
}

}  // namespace

rocksdb::IOStatus PrivateFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                                     std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                     rocksdb::IODebugContext* debug) {
  const rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  return status.ok() ? Own(path) : status;
}

rocksdb::IOStatus PrivateFileSystem::NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                                     std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                                     rocksdb::IODebugContext* debug) {
  const rocksdb::IOStatus status = FileSystemWrapper::NewRandomRWFile(path, options, file, debug);
  return status.ok() ? Own(path) : status;
}

rocksdb::IOStatus PrivateFileSystem::LockFile(const std::string& path, const rocksdb::IOOptions& options,
                                              rocksdb::FileLock** lock, rocksdb::IODebugContext* debug) {
  const rocksdb::IOStatus status = FileSystemWrapper::LockFile(path, options, lock, debug);
  return status.ok() ? Own(path) : status;
}

}  // namespace sealift::queue
