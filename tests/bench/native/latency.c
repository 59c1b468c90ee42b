/* Counts times. */
#include "latency.h"

static int bucket_of(uint64_t time) {
    if (time < LATENCY_PARTS) return (int)time;
    int shift = 57 - __builtin_clzll(time); /* leaves the leading one and six bits */
    return (shift + 1) * LATENCY_PARTS + (int)((time >> shift) - LATENCY_PARTS);
}

static uint64_t end_of(int bucket) {
    if (bucket < LATENCY_PARTS) return (uint64_t)bucket;
    int shift = bucket / LATENCY_PARTS - 1;
    return ((uint64_t)(bucket % LATENCY_PARTS + LATENCY_PARTS + 1) << shift) - 1;
}

void latency_add(latency *all, uint64_t nanoseconds) {
    all->bucket[bucket_of(nanoseconds)]++;
    all->count++;
    if (nanoseconds > all->longest) all->longest = nanoseconds;
}

double latency_at(const latency *all, double share) {
    uint64_t seen = 0;
    for (int i = 0; i < LATENCY_BUCKETS && all->count; i++) {
        seen += all->bucket[i];
        if ((double)seen >= share * (double)all->count) {
            uint64_t end = end_of(i);
            return (double)(end < all->longest ? end : all->longest) / 1e6;
        }
    }
    return 0;
}
