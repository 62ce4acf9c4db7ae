#include "pool.h"

#include <chrono>

namespace pga::engine {

Result<std::unique_ptr<Pool>> Pool::open(const Library& library, const std::vector<std::string>& arguments) {
  std::unique_ptr<Pool> pool(new Pool);
  std::vector<std::pair<std::size_t, Connection>> connections;
  for (std::size_t lane = 0; lane < kLanes.size(); ++lane) {
    for (std::size_t i = 0; i < kLanes[lane].workers; ++i) {
      PGA_TRY(Connection connection, Connection::open(library, arguments));
      connections.emplace_back(lane, std::move(connection));
    }
  }
  for (auto& [lane, connection] : connections) {
    ++pool->alive_;
    pool->threads_.emplace_back(&Pool::work, pool.get(), std::ref(pool->queues_[lane]), std::move(connection));
  }
  return pool;
}

Pool::~Pool() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool Pool::submit(std::shared_ptr<Job> job) {
  const auto lane = static_cast<std::size_t>(job->statement.lane);
  Queue& queue = queues_[lane];
  {
    const std::lock_guard lock(queue.mutex);
    if (queue.closing || queue.jobs.size() >= kLanes[lane].waiting_max) return false;
    queue.jobs.push_back(std::move(job));
  }
  queue.wake.notify_one();
  return true;
}

void Pool::work(Queue& queue, Connection connection) {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(queue.mutex);
      queue.wake.wait(lock, [&] { return queue.closing || !queue.jobs.empty(); });
      if (queue.jobs.empty()) break;
      job = std::move(queue.jobs.front());
      queue.jobs.pop_front();
      ++running_;
    }
    const Statement& s = job->statement;
    job->answer =
        s.with_data ? connection.insert(s.sql, s.format, job->data) : connection.query(s.sql, s.format, job->parameters, kAnswerBytesMax);
    job->data.clear();
    --running_;
    ++finished_;
    job->done();
  }
  --alive_;
}

bool Pool::stop(std::chrono::seconds patience) {
  for (Queue& queue : queues_) {
    const std::lock_guard lock(queue.mutex);
    queue.closing = true;
    queue.jobs.clear();  // nobody waits for them any more
    queue.wake.notify_all();
  }
  const auto until = std::chrono::steady_clock::now() + patience;
  while (alive_ > 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  if (alive_ > 0) return false;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return true;
}

}  // namespace pga::engine
