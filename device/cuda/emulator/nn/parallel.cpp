#include "parallel.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "../emulator.h"

namespace nn {
namespace {

// Pool is never destroyed: its threads wait until the process ends.
class Pool {
  public:
    explicit Pool(int helpers) : helpers_(helpers) {
        for (int i = 0; i < helpers; i++) std::thread([this, i] { serve(i + 1); }).detach();
    }

    void run(int64_t n, const std::function<void(int64_t, int64_t)>& part) {
        std::lock_guard<std::mutex> one(callers_);
        {
            std::lock_guard<std::mutex> hold(lock_);
            part_ = &part;
            n_ = n;
            left_ = helpers_;
            round_++;
        }
        wake_.notify_all();
        share(0);
        std::unique_lock<std::mutex> hold(lock_);
        done_.wait(hold, [this] { return left_ == 0; });
    }

  private:
    void share(int i) {
        int64_t parts = helpers_ + 1, begin = n_ * i / parts, end = n_ * (i + 1) / parts;
        if (begin < end) (*part_)(begin, end);
    }

    void serve(int i) {
        uint64_t seen = 0;
        for (;;) {
            {
                std::unique_lock<std::mutex> hold(lock_);
                wake_.wait(hold, [&] { return round_ != seen; });
                seen = round_;
            }
            share(i);
            std::lock_guard<std::mutex> hold(lock_);
            if (--left_ == 0) done_.notify_one();
        }
    }

    const int helpers_;
    std::mutex callers_, lock_;
    std::condition_variable wake_, done_;
    const std::function<void(int64_t, int64_t)>* part_ = nullptr;
    int64_t n_ = 0;
    int left_ = 0;
    uint64_t round_ = 0;
};

thread_local bool inside = false;

}  // namespace

int threads() {
    static const int n = [] { int t = emu_threads(); return t < 1 ? 1 : t > 16 ? 16 : t; }();
    return n;
}

void parallel(int64_t n, const std::function<void(int64_t, int64_t)>& part) {
    if (n <= 0) return;
    if (inside || n == 1 || threads() == 1) {
        part(0, n);
        return;
    }
    static Pool* pool = new Pool(threads() - 1);
    pool->run(n, [&](int64_t begin, int64_t end) {
        inside = true;
        part(begin, end);
        inside = false;
    });
}

}  // namespace nn
